// Started and killed by the test of rebuilds: tells its phases to its parent.
import { Projectors } from '../../infra/projector/projectors.ts'

process.once('message', (message: { folder: string; log: string; keyring: string; key: string }) => {
  void rebuild(message)
})

async function rebuild({ folder, log, keyring, key }: { folder: string; log: string; keyring: string; key: string }) {
  const source = { log, keyring, masterKey: Buffer.from(key, 'base64') }
  const projectors = await Projectors.start({ data: folder, source })
  await projectors.ready()
  await projectors.rebuild('all', ({ phase }) => process.send?.(phase))
  await projectors.close()
  process.disconnect?.()
}

process.send?.('started')
