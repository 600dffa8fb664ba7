// The last word of a process that may die at any moment, in a file: it outlives the process, whatever that died of.
import { closeSync, ftruncateSync, openSync, readFileSync, writeSync } from 'node:fs'
import type { TrialWord } from '@tidemark/runtime'

const LENGTH_BYTES = 4

/** Each word takes the place of the one before. */
export const wordWriter = (path: string): { readonly say: (word: TrialWord) => void, readonly close: () => void } => {
  const file = openSync(path, 'w')
  return {
    say: (word) => {
      const text = Buffer.from(JSON.stringify(word))
      const bytes = Buffer.allocUnsafe(LENGTH_BYTES + text.length)
      bytes.writeUInt32BE(text.length)
      text.copy(bytes, LENGTH_BYTES)
      writeSync(file, bytes, 0, bytes.length, 0)
    },
    close: () => {
      ftruncateSync(file, 0)
      closeSync(file)
    },
  }
}

/** Undefined: nothing was said, or nothing whole. */
export const lastWord = (path: string): TrialWord | undefined => {
  try {
    const bytes = readFileSync(path)
    return JSON.parse(bytes.subarray(LENGTH_BYTES, LENGTH_BYTES + bytes.readUInt32BE()).toString()) as TrialWord
  } catch {
    return undefined
  }
}
