// The rules of the protocol by their names, each a switch. All are on; only tests switch one off, to see what breaks.

export interface Rules {
  /** A generation is never given twice, not even by two drivers: (epoch, counter). */
  readonly R1: boolean
  /** A claimant that sees an equal or higher generation of another owner gives up before it fences anybody; if it had claimed, it writes a release. */
  readonly R2: boolean
  /** Every unreleased id that the journal or the snapshot names is fenced before the claim; one that turns up before the own claim is fenced and the claim written again. */
  readonly R3: boolean
  /** A fence counts only if made after that id was read in the journal. */
  readonly R4: boolean
  /** A transactional id is initialised by its owner once; after any error a new id. */
  readonly R5: boolean
  /** Commit records and snapshots name generation, owner and id, so that truncation can't hide the last owner. */
  readonly R6: boolean
  /** A planned move is a release record of the old owner; its slot is not fenced. */
  readonly R7: boolean
  /** While the stable offset stays below the own claim, open records are read uncommitted: a lower generation is fenced, a higher one means giving up. */
  readonly R8: boolean
  /** The snapshot holds what changed while it was walked. */
  readonly S1: boolean
  /** A failed transaction throws away the walk and an uploaded object that is not named yet. */
  readonly S2: boolean
  /** Garbage collection lists objects first, then manifests, and spares what is at or above the second newest manifest or younger than a day. */
  readonly S7: boolean
  /** The journal reaches back to the older of the two newest good snapshots. */
  readonly S8: boolean
  /** A walk is completed only while no batch is in flight: the snapshot is exact at one position. */
  readonly S9: boolean
  /** A task completes its walk only after all its downstream tasks have. */
  readonly C1: boolean
  /** What is in a shuffle between the cuts of writer and reader belongs to the checkpoint. */
  readonly C2: boolean
  /** A restore is a new run; the old one is closed by `ended` records first. */
  readonly C3: boolean
  /** What a run begins from is its own: the manifest is copied for it before the run record is written, and the checkpoint looked at again after. */
  readonly C4: boolean
}

export type RuleName = keyof Rules

export const ALL_RULES: Rules = Object.freeze({ R1: true, R2: true, R3: true, R4: true, R5: true, R6: true, R7: true, R8: true, S1: true, S2: true, S7: true, S8: true, S9: true, C1: true, C2: true, C3: true, C4: true })
