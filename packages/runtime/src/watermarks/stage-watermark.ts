// The watermark a stage may go to: the minimum over its source partitions or upstream tasks, an idle one counting as far as it has cleared.

/** As far as a source partition or an upstream task matters here. */
export interface InputProgress {
  /** -Infinity before its first record. Of an idle one: up to where it holds nobody, if that is more. */
  readonly watermark: number
  readonly idle: boolean
}

export interface StageProgress {
  /** -Infinity: nothing is known yet, or one was never heard from. */
  readonly watermark: number
  /** All inputs are. */
  readonly idle: boolean
}

export const stageProgress = (inputs: readonly InputProgress[]): StageProgress => {
  let [watermark, idle] = [inputs.length === 0 ? -Infinity : Infinity, true]
  for (const input of inputs) {
    watermark = Math.min(watermark, input.watermark)
    idle &&= input.idle
  }
  return { watermark, idle }
}

/** A watermark as others are told it: event times may have fractions of a millisecond, and messages have none. A lower one is true as well. */
export const wholeMs = (watermark: number): number => Math.floor(watermark)
