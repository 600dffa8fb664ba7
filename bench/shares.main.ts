// Where a CPU profile's time goes, as shares that add up to 100 %: the busy time of each frame counts for the room whose code it ran in, or ran for (Node's own and native
// frames count for whoever called them). `node bench/shares.main.ts <file.cpuprofile>...`; several are summed up, as those of all slots of a run.
import { readFileSync } from 'node:fs'

/** Of the V8 CPU profile format (Chrome DevTools Protocol, Profiler.Profile): times are µs. */
interface Profile {
  readonly nodes: readonly { readonly id: number, readonly callFrame: { readonly functionName: string, readonly url: string }, readonly children?: readonly number[] }[]
  readonly samples: readonly number[]
  readonly timeDeltas: readonly number[]
}

type Frame = Profile['nodes'][number]['callFrame']

/** Those of V8 itself that are nobody's. */
const OWN_FRAMES = new Map([['(garbage collector)', 'garbage collection'], ['(program)', 'the engine itself (compiling, kernel)'], ['(root)', 'the engine itself (compiling, kernel)']])
const IDLE = '(idle)'

/** The room a frame belongs to; undefined: its caller's. */
const roomOf = ({ functionName, url }: Frame): string | undefined => {
  const own = OWN_FRAMES.get(functionName)
  if (own !== undefined) return own
  if (url.endsWith('api/src/codecs.ts') && functionName === 'parse') return 'JSON.parse'
  if (url.endsWith('api/src/codecs.ts') && functionName === 'encodeJson') return 'JSON.stringify'
  const library = url.split('/node_modules/').at(-1)
  if (library !== undefined && library !== url && !url.includes('/node_modules/@tidemark/')) return library.split('/').slice(0, library.startsWith('@') ? 2 : 1).join('/')
  const [, name, folder] = /\/packages\/([^/]+)\/src\/(?:([^/]+)\/)?/.exec(url) ?? []
  if (name !== undefined) return folder === undefined ? name : `${name}/${folder}`
  return url.startsWith('file:') ? 'what is around it' : undefined
}

const files = process.argv.slice(2)
if (files.length === 0) {
  process.stderr.write('say which: node bench/shares.main.ts <file.cpuprofile>...\n')
  process.exit(2)
}
const busy = new Map<string, number>()
for (const file of files) {
  const { nodes, samples, timeDeltas } = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const byId = new Map(nodes.map((node) => [node.id, node]))
  const callers = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)))
  for (const [i, sample] of samples.entries()) {
    if (byId.get(sample)?.callFrame.functionName === IDLE) continue
    let room: string | undefined
    for (let id: number | undefined = sample; room === undefined && id !== undefined; id = callers.get(id)) {
      const node = byId.get(id)
      room = node === undefined ? undefined : roomOf(node.callFrame)
    }
    busy.set(room ?? 'Node itself', (busy.get(room ?? 'Node itself') ?? 0) + (timeDeltas[i] ?? 0))
  }
}
const total = [...busy.values()].reduce((sum, micros) => sum + micros, 0)
process.stdout.write(`busy for ${(total / 1e6).toFixed(2)} s\n`)
for (const [room, micros] of [...busy].sort(([, a], [, b]) => b - a)) process.stdout.write(`${(micros / total * 100).toFixed(1).padStart(5)} %  ${room}\n`)
