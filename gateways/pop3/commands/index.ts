// Every command, by its name.
import { capa } from './capa.ts'
import { dele, noop, quit, rset } from './changing.ts'
import type { Command } from './command.ts'
import { lang, utf8 } from './language.ts'
import { list, stat, uidl } from './listing.ts'
import { retr, top } from './retrieve.ts'
import { auth, pass, stls, user } from './sign-in.ts'

const all = { capa, user, pass, auth, stls, utf8, lang, stat, list, uidl, retr, top, dele, rset, noop, quit }

export const COMMANDS: ReadonlyMap<string, Command> = new Map(
  Object.entries(all).map(([name, command]) => [name.toUpperCase(), command]),
)
