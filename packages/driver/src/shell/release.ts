// Which executors a driver works with: those of its own release line. What they say to each other may differ between lines.
import { TidemarkError } from '@tidemark/base'

/** `1.4.2` → `1`; before 1.0 each minor version is a line: `0.3.1` → `0.3`. */
const lineOf = (version: string): string => {
  const [major = '', minor = ''] = version.split('.')
  return major === '0' ? `${major}.${minor}` : major
}

/** Undefined: they work together. */
export const otherRelease = (label: string, executor: string, driver: string): TidemarkError | undefined => (lineOf(executor) === lineOf(driver) ? undefined : new TidemarkError(
  `executor ${label} is version ${executor}, this driver ${driver}: they do not work together`,
  { code: 'DRIVER_OTHER_VERSION', blame: 'environment', action: 'exit', details: { executor, driver }, hint: 'Run driver and executors of one release. What the executor runs it goes on with until another has it; nothing is lost by the change.' },
))
