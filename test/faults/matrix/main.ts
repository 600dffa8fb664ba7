// `npm run faults`: one fault after the other to a real cluster under load, and what each cost. Exit codes: 0 all recovered and exact, 1 not, 2 wrong use.
import { Ending } from '../../../bench/ending.ts'
import { readOptions, USAGE, WrongUse } from './options.ts'
import type { MatrixOptions } from './options.ts'
import { chosen, MatrixRun, NAMES } from './run.ts'
import { startServers } from './servers.ts'
import { table } from './table.ts'
import type { Row } from './table.ts'

const matrix = async (options: MatrixOptions): Promise<number> => {
  const faults = chosen(options.only)
  if (faults.length === 0) throw new WrongUse(`no fault is called "${options.only.join('", "')}"; there are: ${NAMES.join(', ')}`)
  const say = (sentence: string): void => void (options.json || process.stdout.write(`${sentence}\n`))
  const [ending, rows]: [Ending, Row[]] = [new Ending(), []]
  try {
    const servers = await startServers(ending)
    say(`seed ${options.seed}`)
    for (let number = 1; number <= options.runs && !ending.begun; number += 1) {
      const run = new MatrixRun(number, servers, options, ending, say)
      try {
        await run.go(faults)
      } finally {
        rows.push(...run.rows)
      }
    }
  } finally {
    await ending.end()
  }
  process.stdout.write(options.json ? `${JSON.stringify({ seed: options.seed, shuffle: options.shuffle, rows })}\n` : `\n${table(rows)}\n`)
  return rows.some(({ failed }) => failed !== undefined) ? 1 : 0
}

try {
  const options = readOptions(process.argv.slice(2))
  if (options === 'list') process.stdout.write(`${NAMES.join('\n')}\n`)
  else process.exitCode = await matrix(options)
} catch (error) {
  const wrongUse = error instanceof WrongUse || error instanceof TypeError
  process.stderr.write(wrongUse ? `${error.message}\n\n${USAGE}` : `${error instanceof Error ? error.stack ?? error.message : String(error)}\n`)
  process.exitCode = wrongUse ? 2 : 1
}
