// What this server says that it can (RFC 9051 §7.2.2). Only what is complete is named.
import { mechanisms } from '../wire/sasl.ts'
import type { Session } from './session.ts'

const ALWAYS = ['IMAP4rev1', 'IMAP4rev2', 'LITERAL+', 'ID', 'ENABLE', 'SASL-IR']

/** After sign-in, beside what is always there. */
export const SIGNED_IN = [
  'IDLE',
  'NAMESPACE',
  'CHILDREN',
  'UNSELECT',
  'UIDPLUS',
  'MOVE',
  'CONDSTORE',
  'QRESYNC',
  'ESEARCH',
  'SEARCHRES',
  'SORT',
  'SORT=DISPLAY',
  'ESORT',
  'THREAD=ORDEREDSUBJECT',
  'THREAD=REFERENCES',
  'LIST-EXTENDED',
  'LIST-STATUS',
  'SPECIAL-USE',
  'CREATE-SPECIAL-USE',
  'STATUS=SIZE',
  'STATUS=DELETED',
  'BINARY',
  'MULTIAPPEND',
  'WITHIN',
  'OBJECTID',
  'PREVIEW',
  'QUOTA',
  'QUOTA=RES-STORAGE',
  'UTF8=ACCEPT',
  'UIDONLY',
  'CATENATE',
  'REPLACE',
  'SAVEDATE',
  'INPROGRESS',
  'CONTEXT=SEARCH',
  'ACL',
  'RIGHTS=kxte',
  'LIST-MYRIGHTS',
  'NOTIFY',
  'METADATA',
  'LIST-METADATA',
  'PARTIAL',
]

export function capabilities(session: Session): string {
  const list = [...ALWAYS]
  if (session.account) {
    list.push(...SIGNED_IN, `APPENDLIMIT=${session.limits.messageBytes}`)
    if (!session.compressed) list.push('COMPRESS=DEFLATE')
  } else {
    if (!session.secure && session.canStartTls) list.push('STARTTLS')
    if (session.mayUsePasswords) list.push(...mechanisms(session).map((name) => `AUTH=${name}`))
    else list.push('LOGINDISABLED')
  }
  return list.join(' ')
}
