// The walk through the package that the README shows, as what is to be typed and what is to be seen: there is no second text of it.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const README = fileURLToPath(new URL('../../../README.md', import.meta.url))
const TITLE = '## The first five minutes'

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

const section = (): string => {
  const text = readFileSync(README, 'utf8')
  const from = text.indexOf(TITLE)
  if (from < 0) throw new Error(`README.md has no "${TITLE}"`)
  return text.slice(from, text.indexOf('\n## ', from + TITLE.length))
}

/** Refuses a section of another shape than: install; the job; topics and cluster; another terminal's commands; what they print. */
export const firstFiveMinutes = (): Walk => {
  const text = section()
  const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, body]) => ({ language, body: body ?? '' }))
  if (blocks.map(({ language }) => language).join() !== 'sh,ts,sh,sh,') throw new Error(`"${TITLE}" has blocks of ${blocks.map(({ language }) => language || 'text').join()}`)
  const linesOf = (at: number): string[] => (blocks[at]?.body ?? '').split('\n').filter((line) => line !== '')
  const [name] = /(?<=`)\w+\.ts(?=`)/.exec(text) ?? []
  const [install, cluster] = [linesOf(0)[0], linesOf(2).at(-1)]
  if (name === undefined || install === undefined || cluster === undefined) throw new Error(`"${TITLE}" names no job file, or a block of it is empty`)
  return { install, jobFile: { name, text: blocks[1]?.body ?? '' }, before: linesOf(2).slice(0, -1), cluster, after: linesOf(3), seen: blocks[4]?.body ?? '' }
}
