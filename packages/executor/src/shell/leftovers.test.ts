import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { spawn } from 'node:child_process'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '@tidemark/base'
import { recorded } from '../../../../test/services/run-folder.ts'
import { Leftovers } from './leftovers.ts'
import { pidStartOf } from './processes.ts'

describe('leftover slots', () => {
  let folder: string
  const children: ChildProcess[] = []
  beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'tidemark-leftovers-')) })
  afterEach(() => {
    for (const child of children.splice(0)) child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  })
  const processOf = (): { readonly child: ChildProcess, readonly pid: number, readonly pidStart: string } => {
    const child = recorded(spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'ignore' }))
    children.push(child)
    return { child, pid: child.pid ?? -1, pidStart: pidStartOf(child.pid ?? -1) ?? '' }
  }

  test('two executors with one name, in one folder → neither takes the other\'s slots for leftovers, nor forgets them with its own', () => {
    const [one, other, slot, otherSlot] = [processOf(), processOf(), processOf(), processOf()]
    const first = new Leftovers(folder, 'west', silentLogger, one.pid)
    const second = new Leftovers(folder, 'west', silentLogger, other.pid)
    first.write({ executor: one, slots: [slot] })
    second.write({ executor: other, slots: [otherSlot] })
    expect(readdirSync(folder)).toHaveLength(2)
    expect(new Leftovers(folder, 'west', silentLogger).kill()).toBe(0)
    second.remove()
    expect(readdirSync(folder)).toHaveLength(1)
    expect([slot, otherSlot].map(({ child }) => child.killed)).toEqual([false, false])
  })

  test('one of them died → the next one ends its slots, and only its', async () => {
    const [dead, alive, slot, otherSlot] = [processOf(), processOf(), processOf(), processOf()]
    new Leftovers(folder, 'west', silentLogger, dead.pid).write({ executor: dead, slots: [slot] })
    new Leftovers(folder, 'west', silentLogger, alive.pid).write({ executor: alive, slots: [otherSlot] })
    dead.child.kill('SIGKILL')
    await once(dead.child, 'exit')
    const ended = once(slot.child, 'exit')
    expect(new Leftovers(folder, 'west', silentLogger).kill()).toBe(1)
    expect(await ended).toEqual([null, 'SIGKILL'])
    expect(pidStartOf(otherSlot.pid)).toBe(otherSlot.pidStart)
  })

  test('its file can\'t be written, as on a full disk → said, and nothing is thrown at who starts a slot; nor at its end', () => {
    writeFileSync(join(folder, 'pids'), 'a file where the folder should be')
    const warned: unknown[] = []
    const leftovers = new Leftovers(join(folder, 'pids'), 'west', { ...silentLogger, warn: (fields, event) => void warned.push([event, fields]) })
    leftovers.write({ executor: { pid: process.pid, pidStart: '' }, slots: [] })
    leftovers.remove()
    const facts = (code: string): object => ({ file: expect.stringContaining('executor-west-'), error: expect.objectContaining({ code }) })
    expect(warned).toEqual([['executor.pids-not-written', facts('EEXIST')], ['executor.pids-not-removed', facts('ENOTDIR')]])
  })
})
