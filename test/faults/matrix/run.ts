// Goes through the matrix: faults of one setting share a stage; a stage on which something went wrong is left, and the next fault gets a new one.
import type { Ending } from '../../../bench/ending.ts'
import { DRIVER_FAULTS } from './driver-faults.ts'
import type { Fault } from './fault.ts'
import { measure } from './measure.ts'
import type { Figures } from './measure.ts'
import { MACHINE_FAULTS } from './machine-faults.ts'
import { NETWORK_FAULTS } from './network-faults.ts'
import type { MatrixOptions } from './options.ts'
import { PROCESS_FAULTS } from './process-faults.ts'
import { mendServers } from './servers.ts'
import type { Servers } from './servers.ts'
import { SERVICE_FAULTS } from './service-faults.ts'
import { Stage } from './stage.ts'
import type { Setting } from './stage.ts'
import type { Row } from './table.ts'

const ALL: readonly Fault[] = [...PROCESS_FAULTS, ...DRIVER_FAULTS, ...SERVICE_FAULTS, ...NETWORK_FAULTS, ...MACHINE_FAULTS]
const SETTINGS: readonly Setting[] = ['plain', 'standby driver', 'store behind a link', 'executor behind links', 'executor on a machine']

export const NAMES: readonly string[] = ALL.map(({ name }) => name)

export const chosen = (only: readonly string[]): Fault[] => {
  const faults = only.length === 0 ? ALL : ALL.filter(({ name }) => only.some((text) => name === text) || only.some((text) => !NAMES.includes(text) && name.startsWith(text)))
  return SETTINGS.flatMap((setting) => faults.filter((fault) => fault.setting === setting))
}

/** What its setting needs and this machine does not have: the reason. */
const missing = ({ setting }: Fault, { links, machine }: Servers): string | undefined => {
  const need = setting === 'store behind a link' || setting === 'executor behind links' ? links : setting === 'executor on a machine' ? machine : undefined
  return typeof need === 'string' ? need : undefined
}

const problemOf = (figures: readonly Figures[]): string | undefined => {
  const wrong = figures.find(({ verdict }) => verdict.wrong.length > 0 || verdict.lost > 0 || verdict.doubled > 0)?.verdict
  return wrong === undefined ? undefined : `${wrong.lost} lost, ${wrong.doubled} doubled: ${wrong.wrong.join('; ')}`
}

export class MatrixRun {
  readonly rows: Row[] = []
  readonly #servers: Servers
  readonly #options: MatrixOptions
  readonly #ending: Ending
  readonly #say: (sentence: string) => void
  readonly #number: number
  #stage: Stage | undefined
  #faultsOfStage: string[] = []

  constructor(number: number, servers: Servers, options: MatrixOptions, ending: Ending, say: (sentence: string) => void) {
    this.#number = number
    this.#servers = servers
    this.#options = options
    this.#ending = ending
    this.#say = say
  }

  async go(faults: readonly Fault[]): Promise<void> {
    for (const [index, fault] of faults.entries()) {
      if (this.#ending.begun) return
      await this.#one(fault)
      if (faults[index + 1]?.setting !== fault.setting) await this.#leave(true)
    }
  }

  async #one(fault: Fault): Promise<void> {
    const base = { fault: fault.name, what: fault.what, run: this.#number }
    const skipped = missing(fault, this.#servers)
    if (skipped !== undefined) {
      this.#add({ ...base, figures: [], skipped })
      return
    }
    const figures: Figures[] = []
    let failed: string | undefined
    try {
      for (let time = 0; time < (fault.times ?? 1) && failed === undefined; time += 1) {
        const stage = await this.#whole(fault)
        this.#say(`${fault.name}${fault.times === undefined ? '' : ` (${time + 1} of ${fault.times})`}: ${fault.what}`)
        const found = await measure(stage, fault)
        figures.push(found)
        failed = problemOf([found])
        this.#say(`  detected ${found.detectedMs ?? '-'} ms, recovered ${found.recoveredMs} ms, gap ${found.gapMs} ms, others ${found.othersGapMs ?? '-'} ms, ${found.moved} moved; ${found.verdict.events} events, ${found.verdict.results} results, ${found.verdict.lost} lost, ${found.verdict.doubled} doubled${found.note === undefined ? '' : `; ${found.note}`}`)
      }
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error)
    }
    if (this.#ending.begun) return
    this.#faultsOfStage.push(fault.name)
    this.#add({ ...base, figures, ...failed === undefined ? {} : { failed } })
    if (failed !== undefined) await this.#leave(false)
  }

  async #whole({ setting }: Fault): Promise<Stage> {
    if (this.#stage === undefined) {
      await mendServers(this.#servers)
      const opened = await this.#ending.keep(Stage.open(this.#servers, { ...this.#options, setting }), (stage) => stage.close())
      this.#stage = opened
      this.#faultsOfStage = []
      return opened
    }
    await this.#stage.whole()
    return this.#stage
  }

  /** `judged`: everything that its faults left behind is read once more, with the final totals of all windows. */
  async #leave(judged: boolean): Promise<void> {
    const stage = this.#stage
    this.#stage = undefined
    if (stage === undefined) return
    if (judged) await this.#judge(stage)
    await stage.close()
  }

  async #judge(stage: Stage): Promise<void> {
    const fault = `in the end of ${this.#faultsOfStage.length} faults`
    let failed: string | undefined
    try {
      const { events, results, lost, doubled, wrong } = await stage.check(true)
      this.#say(`${fault}: ${events} events, ${results} results, ${lost} lost, ${doubled} doubled${wrong.length === 0 ? ', the final totals of all windows exact' : ''}`)
      if (wrong.length > 0) failed = `${lost} lost, ${doubled} doubled: ${wrong.join('; ')}`
    } catch (error) {
      failed = error instanceof Error ? error.message : String(error)
    }
    if (failed !== undefined && !this.#ending.begun) this.#add({ fault, what: this.#faultsOfStage.join(', '), run: this.#number, figures: [], failed })
  }

  #add(row: Row): void {
    this.rows.push(row)
    if (row.failed !== undefined) this.#say(`  FAILED: ${row.failed}`)
    if (row.skipped !== undefined) this.#say(`${row.fault}: skipped: ${row.skipped}`)
  }
}
