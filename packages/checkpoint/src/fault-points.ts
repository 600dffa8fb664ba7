// Names of the places where the crash tests kill a process: before and after every step of commit, takeover and snapshot.

/** Inside an open transaction; reached only on a log that has such a thing. */
export const OPEN_TRANSACTION_POINTS = ['commit.appended', 'takeover.claim-appended'] as const

export const FAULT_POINTS = [
  'commit.frozen', 'commit.appended', 'commit.committed', 'commit.applied', 'commit.outbox-delivered', 'commit.outbox-acknowledged',
  'takeover.told', 'takeover.read', 'takeover.fenced', 'takeover.claim-appended', 'takeover.claimed', 'takeover.loaded', 'takeover.tailed', 'takeover.outbox-redelivered', 'takeover.first-batch-committed',
  'snapshot.begun', 'snapshot.walked', 'snapshot.cut', 'snapshot.uploaded', 'snapshot.named', 'snapshot.trimmed', 'snapshot.in-flight-stored',
  'release.before', 'release.committed',
] as const

export type FaultPoint = (typeof FAULT_POINTS)[number]
