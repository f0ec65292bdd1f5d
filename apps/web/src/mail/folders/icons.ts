import { Archive, FilePen, Inbox, type LucideIcon, Send, ShieldAlert, Trash2 } from 'lucide-react'
import type { FolderRole } from '../../data/types.ts'

export const folderIcons: Record<FolderRole, LucideIcon> = {
  INBOX: Inbox,
  DRAFTS: FilePen,
  SENT: Send,
  ARCHIVE: Archive,
  JUNK: ShieldAlert,
  TRASH: Trash2,
}
