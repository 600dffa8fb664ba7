// Which hosts are every address of a machine: others who are told one would ask themselves.
import { describe, expect, test } from '@jest/globals'
import { checkDriverSettings, DRIVER_SETTINGS, isEveryAddress } from './process-settings.ts'
import { readSettings } from './settings.ts'

describe('every address of a machine', () => {
  test.each(['0.0.0.0', '0', '0.0', '000.000.000.000', '0x0', '0x0.0.0.0', '[::]', '[0::]', '[0:0:0:0:0:0:0:0]', '[::0.0.0.0]', '[::ffff:0.0.0.0]', '[::FFFF:0:0]', '[0:0:0:0:0:ffff:0.0.0.0]'])('%s → it is', (host) => {
    expect(isEveryAddress(host)).toBe(true)
    const settings = readSettings(DRIVER_SETTINGS, {}, { TIDEMARK_LISTEN: `${host}:7400` })
    expect(checkDriverSettings(settings)).toEqual([expect.stringContaining('is every address of this machine')])
  })

  test.each(['127.0.0.1', '10.0.0.0', '0.0.0.1', '0host', 'x0', '00.example', '[::1]', '[::ffff:127.0.0.1]', '[ffff::]', '[::ffff:0:1]', 'localhost'])('%s → it is not', (host) => {
    expect(isEveryAddress(host)).toBe(false)
  })
})
