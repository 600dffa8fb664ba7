// Settings of the command line: where log, folder and driver are.
import { flagOf, readSettings, setting } from '@tidemark/base'
import type { Settings } from '@tidemark/base'

export const CLI_SETTINGS = {
  kafka: setting.text('TIDEMARK_KAFKA', undefined, 'Kafka brokers, host:port, comma-separated. Without it: the embedded log in the folder.'),
  folder: setting.text('TIDEMARK_DIR', '.tidemark', 'Folder of the embedded log and store. Default: .tidemark'),
  driver: setting.text('TIDEMARK_DRIVER', '127.0.0.1:7400', 'Drivers, host:port, comma-separated. Default: 127.0.0.1:7400'),
} as const

export type Servers = Settings<typeof CLI_SETTINGS>
export type ServerName = keyof typeof CLI_SETTINGS

/** `flags` as commander gives them; what is not a server's flag is left alone. `SETTINGS_INVALID`. */
export const readServers = (flags: Readonly<Record<string, unknown>>, env: Readonly<Record<string, string | undefined>>): Servers => {
  const texts = Object.values(CLI_SETTINGS).map((spec) => [flagOf(spec), flags[flagOf(spec)]] as const)
  return readSettings(CLI_SETTINGS, Object.fromEntries(texts.flatMap(([flag, value]) => typeof value === 'string' ? [[flag, value]] : [])), env)
}
