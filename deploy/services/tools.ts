// Where the real servers' programs are: a cache folder filled by install.sh, and the PATH.
import { execFileSync } from 'node:child_process'
import { accessSync, constants, mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'

/** A program's path, or what is missing and how to get it. */
export type Found = { readonly found: true, readonly path: string } | { readonly found: false, readonly reason: string }

/** `TIDEMARK_TOOLS`, or `~/.cache/tidemark-tools`. */
const toolsFolder = (): string => process.env['TIDEMARK_TOOLS'] ?? join(homedir(), '.cache', 'tidemark-tools')

const HOW = 'run deploy/services/install.sh'

const runnable = (path: string): boolean => {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

const onPath = (name: string): Found => {
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '').map((folder) => join(folder, name)).find(runnable)
  return path === undefined ? { found: false, reason: `${name} is not on the PATH; ${HOW}` } : { found: true, path }
}

export const findJava = (): Found => onPath('java')
export const findRedis = (): Found => onPath('redis-server')
export const findKcat = (): Found => onPath('kcat')

export const umountBeside = (mount: string): string => join(dirname(mount), 'umount')

/** Whether file systems of a small size can be mounted: `mount`, as root, with the right to. */
export const findTmpfs = (): Found => {
  const mount = onPath('mount')
  if (!mount.found) return mount
  const folder = mkdtempSync(join(tmpdir(), 'tidemark-tmpfs-'))
  try {
    execFileSync(mount.path, ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder], { stdio: 'ignore' })
    execFileSync(umountBeside(mount.path), [folder], { stdio: 'ignore' })
    return mount
  } catch {
    return { found: false, reason: 'a tmpfs can\'t be mounted here; run as root where mounting is allowed' }
  } finally {
    rmdirSync(folder)
  }
}

const REGISTRY_MS_MAX = 10_000

/** npm, and the registry that it is set to. */
export const findRegistry = (): Found => {
  const npm = onPath('npm')
  if (!npm.found) return npm
  try {
    execFileSync(npm.path, ['ping'], { stdio: 'ignore', timeout: REGISTRY_MS_MAX })
    return npm
  } catch {
    return { found: false, reason: `npm's registry does not answer within ${REGISTRY_MS_MAX} ms` }
  }
}

const inTools = (name: string): Found => {
  const path = join(toolsFolder(), 'bin', name)
  return runnable(path) ? { found: true, path } : { found: false, reason: `there is no ${path}; ${HOW}` }
}

export const findMinio = (): Found => inTools('minio')
export const findToxiproxy = (): Found => inTools('toxiproxy-server')

/** Programs that no suite requires: in the cache folder, or on the PATH. */
const inToolsOrOnPath = (name: string, inFolder: string): string => {
  const path = join(toolsFolder(), inFolder)
  return runnable(path) ? path : name
}

export const grpcurlProgram = (): string => inToolsOrOnPath('grpcurl', join('bin', 'grpcurl'))
export const pythonProgram = (): string => inToolsOrOnPath('python3', join('python', 'bin', 'python'))

/** The folder of Kafka's jars. */
export const findKafka = (): Found => {
  const path = join(toolsFolder(), 'kafka', 'libs')
  const java = findJava()
  if (!java.found) return java
  try {
    if (readdirSync(path).some((name) => /^kafka_.*\.jar$/.test(name))) return { found: true, path }
  } catch {
    // The same answer as for an empty folder.
  }
  return { found: false, reason: `there are no Kafka jars in ${path}; ${HOW}` }
}
