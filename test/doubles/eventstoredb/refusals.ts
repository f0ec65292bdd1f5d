// The errors of EventStoreDB's gRPC interface: status code, text, and the metadata from which clients make their exceptions.
import { Metadata, type ServiceError, status } from '@grpc/grpc-js'

function refusal(code: number, details: string, facts: Readonly<Record<string, string>> = {}): ServiceError {
  const metadata = new Metadata()
  for (const [key, value] of Object.entries(facts)) metadata.set(key, value)
  return Object.assign(new Error(details), { code, details, metadata })
}

export const notLeader = (leader: { address: string; port: number } | undefined): ServiceError =>
  leader === undefined
    ? refusal(status.UNKNOWN, 'No leader info available in response')
    : refusal(status.NOT_FOUND, 'Leader info available', {
        exception: 'not-leader',
        'leader-endpoint-host': leader.address,
        'leader-endpoint-port': String(leader.port),
      })

export const accessDenied = (): ServiceError =>
  refusal(status.PERMISSION_DENIED, 'Access Denied', { exception: 'access-denied' })

export const maxAppendSizeExceeded = (limit: number): ServiceError =>
  refusal(status.INVALID_ARGUMENT, `Maximum Append Size of ${limit} Exceeded.`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(limit),
  })

export const missingProperty = (name: string): ServiceError =>
  refusal(status.INVALID_ARGUMENT, `Required Metadata Property '${name}' is missing`, {
    exception: 'missing-required-metadata-property',
    'required-metadata-properties': 'type,content-type',
  })

export const notReady = (): ServiceError => refusal(status.UNAVAILABLE, 'Server Is Not Ready')
export const timedOut = (): ServiceError => refusal(status.ABORTED, 'Operation timed out: CommitTimeout')
export const invalidPosition = (): ServiceError => refusal(status.UNKNOWN, 'Unexpected ReadAllResult: InvalidPosition')
export const invalidArgument = (what: string): ServiceError => refusal(status.INVALID_ARGUMENT, what)
/** What the double does not know, it does not guess. */
export const unknown = (what: string): ServiceError =>
  refusal(status.UNIMPLEMENTED, `The EventStoreDB double does not know ${what}`)
