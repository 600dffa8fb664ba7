// The watermark a stage may go to: the minimum over its source partitions and upstream tasks that are not idle.

/** As far as a source partition or an upstream task matters here. */
export interface InputProgress {
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

export const stageProgress = (sources: readonly InputProgress[], upstreams: readonly InputProgress[]): StageProgress => {
  let [least, most, active] = [Infinity, -Infinity, 0]
  const take = ({ watermark, idle }: InputProgress): void => {
    most = Math.max(most, watermark)
    if (idle) return
    active += 1
    least = Math.min(least, watermark)
  }
  for (const source of sources) take(source)
  for (const upstream of upstreams) take(upstream)
  return active === 0 ? { watermark: most, idle: true } : { watermark: least, idle: false }
}
