// The events of the `audit-log` stream: what auditors and operators did, and the signed heads of the log's hash tree.

export type AuditEvent =
  | { type: 'TreeHeadSigned'; data: { size: string; rootHash: string; checkpoint: string } }
  | { type: 'AuditorAccessed'; data: { auditor: string; accountId: string; what: string; reason: string } }
  | { type: 'ExportMade'; data: { accountId: string; messages: number; sha256: string } }
  | { type: 'ProjectionRebuilt'; data: { projection: string; generation: number; events: number; digest: string } }

export const AUDIT_EVENT_TYPES = [
  'TreeHeadSigned',
  'AuditorAccessed',
  'ExportMade',
  'ProjectionRebuilt',
] as const satisfies readonly AuditEvent['type'][]
