// All workloads one after the other, each in a process of its own with servers of its own, and their table.
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Ending } from '../ending.ts'
import type { BenchOptions } from '../options.ts'
import type { Report } from '../report.ts'
import { rowsOf, tableOf } from './table.ts'
import type { Line } from './table.ts'

const PARTS: readonly { readonly name: string, readonly args: readonly string[] }[] = [
  { name: 'windowed 1', args: ['windowed', '--slots', '1'] }, { name: 'windowed 2', args: ['windowed', '--slots', '2'] }, { name: 'running 2', args: ['running', '--slots', '2'] },
  { name: 'latency', args: ['latency'] }, { name: 'recovery', args: ['recovery'] }, { name: 'memory', args: ['memory'] },
]

const isLine = (value: unknown): value is Line => typeof value === 'object' && value !== null

const runPart = async (args: readonly string[], ending: Ending): Promise<Line> => {
  const child = spawn(process.execPath, [join(import.meta.dirname, '..', 'main.ts'), ...args, '--json'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise<void>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', () => resolve())
  })
  ending.add(async () => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGTERM')
    await ended
  })
  let last = ''
  createInterface({ input: child.stdout }).on('line', (line) => { last = line })
  await ended
  const line: unknown = last === '' ? undefined : JSON.parse(last)
  if (!isLine(line)) throw new Error(`"${args.join(' ')}" ended with ${child.exitCode ?? child.signalCode} and without figures`)
  return line
}

export const runAll = async (options: BenchOptions, ending: Ending, report: Report): Promise<void> => {
  const lines = new Map<string, Line[]>()
  const faults = { lost: 0, doubled: 0, wrong: 0 }
  for (let run = 1; run <= options.runs; run += 1) {
    for (const { name, args } of PARTS) {
      const line = await runPart([...args, ...options.passedOn], ending)
      lines.set(name, [...lines.get(name) ?? [], line])
      faults.lost += Number(line['lost'])
      faults.doubled += Number(line['doubled'])
      faults.wrong += Number(line['wrong'])
      report.say(`${name}: ${JSON.stringify(line)}`)
    }
  }
  const rows = rowsOf(lines)
  report.say(`\n${tableOf(rows, options.runs)}`)
  report.say(`${faults.lost} results lost, ${faults.doubled} doubled, ${faults.wrong} wrong. Rates: more is better, and the raw client is the ceiling; times and CPU: less is better, and the raw client is the floor.`)
  report.finish({ workload: 'all', runs: options.runs, rows, parts: Object.fromEntries(lines), ...faults })
}
