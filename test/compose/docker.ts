// Whether containers can be run here: docker with compose, and a daemon that answers.
import { spawnSync } from 'node:child_process'

const works = (...args: string[]): boolean => spawnSync('docker', args, { stdio: 'ignore', timeout: 10_000 }).status === 0

/** Why not; undefined: they can. */
export const composeMissing = !works('compose', 'version') ? 'there is no docker compose' : !works('info') ? 'no Docker daemon answers' : undefined
