// Every rule's scenario, in the order of the design page.
import { CHECKPOINT_SCENARIOS } from './checkpoints.ts'
import { OWNERSHIP_SCENARIOS } from './ownership.ts'
import type { Scenario } from './scenario.ts'
import { SNAPSHOT_SCENARIOS } from './snapshots.ts'

export const SCENARIOS: readonly Scenario[] = [...OWNERSHIP_SCENARIOS, ...SNAPSHOT_SCENARIOS, ...CHECKPOINT_SCENARIOS]
