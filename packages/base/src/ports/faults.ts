// Fault points: named places before and after every step of commit, takeover and snapshot, where a test kills a real process.

/** Called at each point. Production's does nothing; a test's may kill this process, its parent, or both, and does not return then. */
export interface FaultPoints {
  reach(point: string): void
}

export const noFaults: FaultPoints = { reach: () => {} }
