// Folders as people know them: translated names for the standing ones, their order, and their place in an address.

import type { Folder, FolderRole } from '../../data/types.ts'
import { type TextKey, t } from '../../i18n/index.ts'

const titles: Record<FolderRole, TextKey> = {
  INBOX: 'folderInbox',
  DRAFTS: 'folderDrafts',
  SENT: 'folderSent',
  ARCHIVE: 'folderArchive',
  JUNK: 'folderJunk',
  TRASH: 'folderTrash',
}
const ORDER: readonly (FolderRole | null)[] = ['INBOX', 'DRAFTS', 'SENT', 'ARCHIVE', 'JUNK', 'TRASH', null]

export const folderTitle = (folder: Folder): string => (folder.role ? t(titles[folder.role]) : folder.name)

/** `inbox` for standing folders, the id for all others. */
export const folderSlug = (folder: Folder): string => folder.role?.toLowerCase() ?? folder.id

export const findFolder = (folders: readonly Folder[], slug: string): Folder | undefined =>
  folders.find((folder) => folderSlug(folder) === slug) ?? folders.find((folder) => folder.id === slug)

export interface FolderRow {
  readonly folder: Folder
  readonly level: number
}

/** The tree, flat: standing folders first, then the person's own by name, children after parents. */
export function folderRows(folders: readonly Folder[]): { standing: FolderRow[]; own: FolderRow[] } {
  const ids = new Set(folders.map((folder) => folder.id))
  const children = Map.groupBy(folders, (folder) =>
    folder.parentId && ids.has(folder.parentId) ? folder.parentId : null,
  )
  const walk = (parent: string | null, level: number, standing: boolean): FolderRow[] =>
    (children.get(parent) ?? [])
      .filter((folder) => level > 0 || (folder.role !== null) === standing)
      .toSorted((a, b) => ORDER.indexOf(a.role) - ORDER.indexOf(b.role) || a.name.localeCompare(b.name))
      .flatMap((folder) => [{ folder, level }, ...walk(folder.id, level + 1, standing)])
  return { standing: walk(null, 0, true), own: walk(null, 0, false) }
}
