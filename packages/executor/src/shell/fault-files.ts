// Fault points of a real process: a file with the point's name in a folder arms it, whoever unlinks it first carries it out.
import { existsSync, readFileSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { noFaults } from '@tidemark/base'
import type { FaultPoints } from '@tidemark/base'

/** The file's text: `slot` (this process), `executor` (its parent, alone), `both`. */
const carryOut = (whom: string): void => {
  if (whom !== 'slot') process.kill(process.ppid, 'SIGKILL')
  if (whom !== 'executor') process.kill(process.pid, 'SIGKILL')
}

/** `folder` undefined: nothing is armed, nothing is looked at. */
export const faultFiles = (folder: string | undefined): FaultPoints => {
  if (folder === undefined || folder === '') return noFaults
  return {
    reach: (point) => {
      const file = join(folder, point)
      if (!existsSync(file)) return
      let whom: string
      try {
        whom = readFileSync(file, 'utf8').trim()
        unlinkSync(file)
      } catch {
        return
      }
      carryOut(whom)
    },
  }
}
