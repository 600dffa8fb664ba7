// The walk through the package that the README shows, as what is to be typed and what is to be seen.
import { linesOf, readmeSection } from '../../docs/readme-section.ts'

const TITLE = 'The first five minutes'

export interface Walk {
  readonly install: string
  readonly jobFile: { readonly name: string, readonly text: string }
  /** Before the cluster runs, and the command that runs it. */
  readonly before: readonly string[]
  readonly cluster: string
  /** In the other terminal, and what they print. */
  readonly after: readonly string[]
  readonly seen: string
}

/** Refuses a section of another shape than: install; the job; topics and cluster; another terminal's commands; what they print. */
export const firstFiveMinutes = (): Walk => {
  const { text, blocks } = readmeSection(TITLE, 'sh,ts,sh,sh,')
  const [name] = /(?<=`)\w+\.ts(?=`)/.exec(text) ?? []
  const [install, cluster] = [linesOf(blocks[0])[0], linesOf(blocks[2]).at(-1)]
  if (name === undefined || install === undefined || cluster === undefined) throw new Error(`"${TITLE}" names no job file, or a block of it is empty`)
  return { install, jobFile: { name, text: blocks[1]?.body ?? '' }, before: linesOf(blocks[2]).slice(0, -1), cluster, after: linesOf(blocks[3]), seen: blocks[4]?.body ?? '' }
}
