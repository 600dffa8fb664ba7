// A section of README.md as the blocks of code in it: what the README says to type is what tests type, there is no second text of it.
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const README = fileURLToPath(new URL('../../README.md', import.meta.url))

export interface Block {
  readonly language: string
  readonly body: string
}

/** Refuses a section of other blocks than `languages`, comma-separated, '' for plain ones. */
export const readmeSection = (title: string, languages: string): { readonly text: string, readonly blocks: readonly Block[] } => {
  const readme = readFileSync(README, 'utf8')
  const from = readme.indexOf(`## ${title}\n`)
  if (from < 0) throw new Error(`README.md has no "## ${title}"`)
  const text = readme.slice(from, readme.indexOf('\n## ', from + title.length))
  const blocks = [...text.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language = '', body = '']) => ({ language, body }))
  const found = blocks.map(({ language }) => language).join()
  if (found !== languages) throw new Error(`"## ${title}" of README.md has blocks of ${found}, not ${languages}`)
  return { text, blocks }
}

/** Comments at the end of a line are for people. */
export const linesOf = (block: Block | undefined): readonly string[] =>
  (block?.body ?? '').split('\n').map((line) => line.replace(/\s+#\s.*$/, '')).filter((line) => line !== '')
