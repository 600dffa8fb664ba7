// The watermark a stage may go to: the minimum over its source partitions and upstream tasks that are not idle.
import type { UpstreamMark } from '@tidemark/checkpoint'

/** As far as a source partition matters here. */
export interface SourceProgress {
  /** -Infinity before its first record. */
  readonly watermark: number
  readonly idle: boolean
}

export interface StageProgress {
  /** -Infinity: nothing is known yet, or one that is not idle was never heard from. */
  readonly watermark: number
  /** All inputs are. Then none holds the others, and the highest of them counts. */
  readonly idle: boolean
}

/** `upstreams`: every upstream task, undefined for one that was never heard from: it holds the watermark. */
export const stageProgress = (sources: readonly SourceProgress[], upstreams: readonly (UpstreamMark | undefined)[]): StageProgress => {
  let [least, most, active] = [Infinity, -Infinity, 0]
  const take = (watermark: number, idle: boolean): void => {
    most = Math.max(most, watermark)
    if (idle) return
    active += 1
    least = Math.min(least, watermark)
  }
  for (const source of sources) take(source.watermark, source.idle)
  for (const mark of upstreams) take(mark?.watermark ?? -Infinity, mark?.idle ?? false)
  return active === 0 ? { watermark: most, idle: true } : { watermark: least, idle: false }
}
