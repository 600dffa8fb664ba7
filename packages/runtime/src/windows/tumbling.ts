// Tumbling windows: of one size, side by side, aligned to 1970 UTC. Which window an event belongs to, and when a window is over.
import type { TumblingPlan } from 'tidemark'

/** Start of the window that holds `time`, ms. */
export const windowStart = (window: TumblingPlan, time: number): number => Math.floor(time / window.sizeMs) * window.sizeMs + 0

/**
 * The watermark at which a window closes: its end plus the allowed lateness. From then on an event of that window is late. With
 * `emit: 'final'` its results go out at this moment, once.
 */
export const closesAt = (window: TumblingPlan, start: number): number => start + window.sizeMs + window.allowedLatenessMs

/** Event time of a window's results: its last millisecond, so that they belong to the same window downstream. */
export const resultTime = (window: TumblingPlan, start: number): number => start + window.sizeMs - 1
