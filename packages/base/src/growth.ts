// How the log grows, for people: a driver warns in these words, and a command that shows a job says the same.
import { howMany } from './how-many.ts'
import { formatSize } from './units.ts'

/** How journals and shuffles have grown behind the newest snapshots: nothing of that is trimmed before the next ones. */
export interface LogGrowth {
  readonly batches: number
  readonly bytes: number
  /** At the rate since these snapshots. */
  readonly bytesPerHour: number
  /** Absent: the log does not say. */
  readonly freeBytes?: number
  /** At this rate. Absent: not known, nothing grows, or the newest checkpoint is not overdue. */
  readonly fullInHours?: number
}

const inHours = (hours: number): string => hours < 1 ? howMany(Math.max(1, Math.round(hours * 60)), 'minute') : hours < 48 ? `${hours.toFixed(1)} hours` : `${Math.round(hours / 24).toLocaleString('en')} days`

const grown = ({ batches, bytes }: LogGrowth): string => `journals and shuffles have grown by ${formatSize(bytes)} in ${batches.toLocaleString('en')} ${batches === 1 ? 'batch' : 'batches'}`

/** For where nothing is overdue: `journals and shuffles have grown by 2.5 MiB in 1,191 batches: removed behind the next checkpoint` */
export const trimmedInWords = (growth: LogGrowth): string => `${grown(growth)}: removed behind the next checkpoint`

/** `journals and shuffles have grown by 12 MiB in 340 batches, 340 MiB an hour; 20 GiB are free for the log: full in 58 hours at this rate` */
export const growthInWords = (growth: LogGrowth): string => {
  const { bytesPerHour, freeBytes, fullInHours } = growth
  const free = freeBytes === undefined ? 'what is free on the disks of the log is not known' : `${formatSize(freeBytes)} are free for the log${fullInHours === undefined ? '' : `: full in ${inHours(fullInHours)} at this rate, if nothing else is written there`}`
  return `${grown(growth)}, ${formatSize(bytesPerHour)} an hour; ${free}`
}
