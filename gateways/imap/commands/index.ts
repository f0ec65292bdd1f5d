// Every command, by its name.
import { deleteAcl, getAcl, listRights, myRights, setAcl } from './acl.ts'
import { append } from './append.ts'
import { capability } from './capability.ts'
import type { Command } from './command.ts'
import { compress } from './compress.ts'
import { copy, move } from './copy.ts'
import { enable } from './enable.ts'
import { expunge } from './expunge.ts'
import { fetch } from './fetch.ts'
import { create, remove, rename, subscribe, unsubscribe } from './folders.ts'
import { id } from './id.ts'
import { idle } from './idle.ts'
import { list, lsub } from './list.ts'
import { authenticate, login } from './login.ts'
import { logout } from './logout.ts'
import { getMetadata, setMetadata } from './metadata.ts'
import { namespace } from './namespace.ts'
import { check, noop } from './noop.ts'
import { notify } from './notify.ts'
import { getQuota, getQuotaRoot } from './quota.ts'
import { replace } from './replace.ts'
import { cancelUpdate, search } from './search.ts'
import { close, examine, select, unselect } from './select.ts'
import { sort } from './sort.ts'
import { starttls } from './starttls.ts'
import { status } from './status.ts'
import { store } from './store.ts'
import { thread } from './thread.ts'

const all: readonly Command[] = [
  ...[capability, noop, logout, id],
  ...[starttls, authenticate, login],
  ...[enable, select, examine, create, remove, rename, subscribe, unsubscribe, list, lsub, namespace, status, append],
  ...[setAcl, deleteAcl, getAcl, listRights, myRights, getMetadata, setMetadata],
  ...[idle, notify, getQuota, getQuotaRoot, compress],
  ...[check, close, unselect, expunge, search, cancelUpdate, sort, thread, fetch, store, copy, move, replace],
]

export const COMMANDS: ReadonlyMap<string, Command> = new Map(all.map((command) => [command.name, command]))
