// Folders by the path of their names, as rules and people write it: `Work/Plans`, with INBOX for the inbox.
import type { Folder, FolderRole } from './mailbox.ts'

type Placed = Pick<Folder, 'id' | 'name' | 'parentId' | 'role'>

/** The folder at a path, names in any case as they are unique in any case; undefined when there is none. */
export function folderAt<F extends Placed>(
  { folders }: { readonly folders: ReadonlyMap<string, F> },
  path: string,
): F | undefined {
  const names = path.split('/')
  let found: F | undefined
  for (const [depth, name] of names.entries()) {
    const parentId: string | null = found?.id ?? null
    const key = name.toLowerCase()
    found = undefined
    for (const folder of folders.values()) {
      const inbox = depth === 0 && folder.role === 'inbox' && key === 'inbox'
      if (inbox || (folder.parentId === parentId && folder.name.toLowerCase() === key)) found = folder
    }
    if (found === undefined) return undefined
  }
  return found
}

const USES: Readonly<Record<string, FolderRole>> = {
  '\\drafts': 'drafts',
  '\\sent': 'sent',
  '\\archive': 'archive',
  '\\junk': 'junk',
  '\\trash': 'trash',
}

/** The role of a special-use attribute (RFC 6154 §2), in any case; undefined for one that no folder has here. */
export const roleOfUse = (use: string): FolderRole | undefined => USES[use.toLowerCase()]
