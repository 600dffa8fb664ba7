// checkPlan: every mistake of a plan in one answer. Takes what came over the wire; never throws.
import { normalize } from 'node:path'
import { TidemarkError } from '@tidemark/base'
import { checkJobName, checkVersion, isNode, isSettings, nodePath, NODES_MAX } from './schema.ts'
import { fieldOf, isRecord, Report, shown } from './shape.ts'
import type { JobSettings, LogicalPlan, NodeId, PlanNode, PlanProblem, SinkNode } from './plan.ts'

/** A well-formed node with its path. */
interface Placed {
  readonly node: PlanNode
  readonly path: string
  readonly index: number
}
type Stateful = Extract<PlanNode, { readonly kind: 'aggregate' | 'reduce' | 'process' }>

const PLAN_FIELDS: ReadonlySet<string> = new Set<keyof LogicalPlan>(['planVersion', 'job', 'version', 'settings', 'nodes'])

const isStateful = (node: PlanNode): node is Stateful => node.kind === 'aggregate' || node.kind === 'reduce' || node.kind === 'process'
const inputOf = (node: PlanNode): NodeId | undefined => node.kind === 'source' ? undefined : node.input

/** Settings against each other. */
export const checkSettings = (settings: JobSettings, report: Report): void => {
  const atMost = (low: keyof JobSettings, high: keyof JobSettings, why: string): void => {
    if (settings[low] > settings[high]) report.add(`settings.${low}`, 'PLAN_SETTINGS', `${settings[low]} is greater than settings.${high} = ${settings[high]}: ${why}`)
  }
  atMost('commitIntervalMinMs', 'commitIntervalMaxMs', 'the shortest interval is at most the longest')
  atMost('commitIntervalMaxMs', 'checkpointIntervalMs', 'a checkpoint needs commits of its tasks')
  atMost('batchOutputBytesMax', 'outboxBytesMax', 'one batch must fit into the outbox, or its task would pause for ever')
}

const checkUnique = (placed: readonly Placed[], report: Report): void => {
  const seen = new Map<string, string>()
  const once = (name: string, path: string, code: string, message: (first: string) => string): void => {
    const first = seen.get(name)
    if (first === undefined) seen.set(name, path)
    else report.add(path, code, message(first))
  }
  for (const { node, path } of placed) {
    once(`id ${node.id}`, path, 'PLAN_ID', (first) => `its id ${node.id} is also that of ${first}`)
    if (node.kind === 'source' || node.kind === 'sink') once(`${node.kind} ${node.name}`, path, 'PLAN_NAME_TWICE', () => `another ${node.kind} is named "${shown(node.name)}"`)
    if (isStateful(node)) once(`operator ${node.name}`, path, 'PLAN_NAME_TWICE', (first) => `another stateful operator is named "${shown(node.name)}" (${first}): each keeps its state under its name`)
  }
}

const checkInputs = (placed: readonly Placed[], ids: ReadonlyMap<NodeId, number>, byId: ReadonlyMap<NodeId, Placed>, report: Report): void => {
  const inCycle = (start: PlanNode): boolean => {
    let at = byId.get(inputOf(start) ?? '')?.node
    for (let steps = 0; at !== undefined && steps <= placed.length; steps += 1) {
      if (at === start) return true
      at = byId.get(inputOf(at) ?? '')?.node
    }
    return false
  }
  for (const { node, path, index } of placed) {
    const input = inputOf(node)
    if (input === undefined) continue
    const from = ids.get(input)
    if (from === undefined) report.add(`${path}.input`, 'PLAN_INPUT_MISSING', `there is no node "${shown(input)}"`)
    else if (inCycle(node)) report.add(`${path}.input`, 'PLAN_CYCLE', `it reads its own output through ${input}`)
    else if (from >= index) report.add(`${path}.input`, 'PLAN_ORDER', `node ${input} stands behind its reader; inputs come first`)
    if (byId.get(input)?.node.kind === 'sink') report.add(`${path}.input`, 'PLAN_INPUT_SINK', `node ${input} is a sink and has no output`)
  }
}

const checkReaders = (placed: readonly Placed[], complete: boolean, report: Report): void => {
  const read = new Set(placed.map(({ node }) => inputOf(node)))
  // With a node missing from the picture, what looks unread may be read by it.
  if (complete) {
    for (const { node, path } of placed) {
      if (node.kind !== 'sink' && !read.has(node.id)) report.add(path, 'PLAN_UNREAD', node.kind === 'source' ? 'nothing reads this source' : `nothing reads the output of ${node.id} (${node.kind}): end it in a sink, or leave it out`)
    }
    if (!placed.some(({ node }) => node.kind === 'source')) report.add('nodes', 'PLAN_NO_SOURCE', 'the job has no source')
    if (!placed.some(({ node }) => node.kind === 'sink')) report.add('nodes', 'PLAN_NO_SINK', 'the job has no sink')
  }
}

/** From the source of the root to the node itself; undefined when the way up is broken. */
const wayUp = (node: PlanNode, byId: ReadonlyMap<NodeId, Placed>): readonly PlanNode[] | undefined => {
  const way: PlanNode[] = []
  for (let at: PlanNode | undefined = node; at !== undefined && way.length <= byId.size; at = byId.get(inputOf(at) ?? '')?.node) {
    way.unshift(at)
    if (at.kind === 'source') return way
  }
  return undefined
}

const checkOperators = (placed: readonly Placed[], byId: ReadonlyMap<NodeId, Placed>, report: Report): void => {
  for (const { node, path } of placed) {
    if (isStateful(node)) {
      const input = byId.get(node.input)
      if (input !== undefined && input.node.kind !== 'keyBy') report.add(`${path}.input`, 'PLAN_NOT_KEYED', `a stateful operator stands directly behind a keyBy, not behind ${node.input} (${input.node.kind})`)
    }
    if ((node.kind === 'aggregate' || node.kind === 'reduce') && node.window === null && node.emit === 'final') {
      report.add(`${path}.emit`, 'PLAN_EMIT', 'without a window nothing is ever final: use "updates", or a window')
    }
    if (node.kind === 'aggregate') {
      const fields = node.fields.map(({ field }) => field)
      fields.forEach((field, index) => {
        if (fields.indexOf(field) !== index) report.add(`${path}.fields.${index}.field`, 'PLAN_NAME_TWICE', `another field is named "${shown(field)}"`)
      })
    }
    if (node.kind === 'source' && node.source.kind !== 'topic' && node.eventTime === 'record') {
      report.add(`${path}.eventTime`, 'PLAN_EVENT_TIME', `records of a ${node.source.kind} source have no time of their own: give it a timestamp function`)
    }
    if (node.kind === 'source' && node.source.kind === 'file') {
      const { paths } = node.source
      paths.forEach((each, index) => {
        if (paths.indexOf(each) !== index) report.add(`${path}.source.paths.${index}`, 'PLAN_PATH', `"${shown(each)}" is listed twice and would be counted twice`)
      })
    }
    if (node.kind === 'keyBy' && node.copartitioned) {
      const way = wayUp(node, byId)
      const root = way?.[0]
      if (way?.some((each) => each !== node && each.kind === 'keyBy' && !each.copartitioned)) report.add(`${path}.copartitioned`, 'PLAN_COPARTITIONED', 'behind a shuffle records are not where their topic had them')
      else if (root?.kind === 'source' && root.source.kind !== 'topic') report.add(`${path}.copartitioned`, 'PLAN_COPARTITIONED', `only a topic is partitioned by key, "${shown(root.name)}" is a ${root.source.kind} source`)
    }
  }
}

const checkPlaces = (placed: readonly Placed[], settings: JobSettings | undefined, report: Report): void => {
  const sources = new Map<string, string>()
  for (const { node } of placed) if (node.kind === 'source' && node.source.kind === 'topic') sources.set(node.source.topic, node.name)
  const sinks = placed.filter((each): each is Placed & { readonly node: SinkNode } => each.node.kind === 'sink')
  const folders = new Map<string, string>()
  for (const { node, path } of sinks) {
    if (node.sink.kind === 'topic') {
      const source = sources.get(node.sink.topic)
      if (source !== undefined) report.add(`${path}.sink.topic`, 'PLAN_LOOP', `"${node.sink.topic}" is also what source "${shown(source)}" reads: the job would read its own output for ever`)
    }
    if (node.sink.kind === 'file') {
      const folder = normalize(`${node.sink.folder}/`)
      const first = folders.get(folder)
      if (first !== undefined) report.add(`${path}.sink.folder`, 'PLAN_FOLDER_TWICE', `"${shown(node.sink.folder)}" is also the folder of sink "${shown(first)}"`)
      else folders.set(folder, node.name)
    }
  }
  if (settings === undefined || settings.onError !== 'dead-letter') return
  const { deadLetterTopic } = settings
  const source = sources.get(deadLetterTopic)
  if (source !== undefined) report.add('settings.deadLetterTopic', 'PLAN_LOOP', `"${deadLetterTopic}" is what source "${shown(source)}" reads: a bad record would come back for ever`)
  if (sinks.some(({ node }) => node.sink.kind === 'topic' && node.sink.topic === deadLetterTopic)) report.add('settings.deadLetterTopic', 'PLAN_TOPIC', `"${deadLetterTopic}" is also the topic of a sink: dead letters and results would be mixed`)
}

const report = (plan: unknown): Report => {
  const found = new Report()
  if (!isRecord(plan)) {
    found.add('', 'PLAN_TYPE', 'a plan is an object')
    return found
  }
  const planVersion = fieldOf(plan, 'planVersion')
  if (planVersion !== 1) {
    found.add('planVersion', 'PLAN_VERSION', `plans of version 1 are understood here, not ${typeof planVersion === 'number' ? planVersion : 'a plan without a version'}`)
    return found
  }
  for (const field of Object.keys(plan)) if (!PLAN_FIELDS.has(field)) found.add(shown(field), 'PLAN_FIELD_UNKNOWN', 'this version knows no such field')
  checkJobName(fieldOf(plan, 'job'), 'job', found)
  checkVersion(fieldOf(plan, 'version'), 'version', found)
  const given = fieldOf(plan, 'settings')
  const settings = isSettings(given, found) ? given : undefined
  if (settings !== undefined) checkSettings(settings, found)

  const nodes = fieldOf(plan, 'nodes')
  if (!Array.isArray(nodes)) found.add('nodes', nodes === undefined ? 'PLAN_FIELD_MISSING' : 'PLAN_TYPE', 'a list of nodes is wanted')
  else if (nodes.length > NODES_MAX) found.add('nodes', 'PLAN_RANGE', `${nodes.length} nodes, at most ${NODES_MAX} are allowed`)
  else checkNodes(nodes, settings, found)
  return found
}

const checkNodes = (nodes: readonly unknown[], settings: JobSettings | undefined, found: Report): void => {
  const placed: Placed[] = []
  // Of all nodes, well-formed or not: a reader of a malformed node is not told that there is no such node.
  const ids = new Map<NodeId, number>()
  nodes.forEach((node, index) => {
    const path = nodePath(node, index)
    const id = isRecord(node) ? fieldOf(node, 'id') : undefined
    if (typeof id === 'string' && !ids.has(id)) ids.set(id, index)
    if (isNode(node, path, found)) placed.push({ node, path, index })
  })
  const byId = new Map(placed.toReversed().map((each) => [each.node.id, each]))
  checkUnique(placed, found)
  checkInputs(placed, ids, byId, found)
  checkReaders(placed, placed.length === nodes.length, found)
  checkOperators(placed, byId, found)
  checkPlaces(placed, settings, found)
}

/**
 * Every mistake of a plan, each with its path; empty: it can be run. Takes any JSON and never throws. Of an unknown `planVersion` nothing
 * else is said. At most 1,000 mistakes are listed.
 */
export const checkPlan = (plan: unknown): readonly PlanProblem[] => report(plan).problems

const isPlan = (plan: unknown): plan is LogicalPlan => checkPlan(plan).length === 0

/** A plan from the wire as a plan. Throws one `PLAN_INVALID` with every mistake in its message and in `details.problems`. */
export const parsePlan = (plan: unknown): LogicalPlan => {
  if (isPlan(plan)) return plan
  const problems = checkPlan(plan)
  throw new TidemarkError(`the plan has ${problems.length} mistake${problems.length === 1 ? '' : 's'}:\n  ${problems.map(({ path, code, message }) => `${path}: ${message} (${code})`).join('\n  ')}`, {
    code: 'PLAN_INVALID', blame: 'user', action: 'fail-job', details: { problems },
  })
}
