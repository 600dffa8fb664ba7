// The files that describe our services, as reflection hands them out: what protobufjs makes of proto/, with its map entries named as protobuf wants them.
import descriptor from 'protobufjs/ext/descriptor/index.js'

interface FieldShape {
  typeName?: string
}
interface MessageShape {
  name: string
  field?: FieldShape[]
  nestedType?: MessageShape[]
  options?: { readonly mapEntry?: boolean } | null
}

/** protobufjs 7 calls the entry type of a map field `totals` `Totals`; Go's protobuf takes no name but `TotalsEntry` and refuses the whole file. */
const nameMapEntries = (message: MessageShape): void => {
  for (const nested of message.nestedType ?? []) {
    nameMapEntries(nested)
    if (nested.options?.mapEntry !== true || nested.name.endsWith('Entry')) continue
    for (const field of message.field ?? []) if (field.typeName === nested.name) field.typeName = `${nested.name}Entry`
    nested.name = `${nested.name}Entry`
  }
}

/** `file`: an encoded FileDescriptorProto of proto-loader. */
export const repairDescriptor = (file: Buffer): Buffer => {
  const decoded = descriptor.FileDescriptorProto.decode(file)
  for (const message of (decoded as { readonly messageType?: MessageShape[] }).messageType ?? []) nameMapEntries(message)
  return Buffer.from(descriptor.FileDescriptorProto.encode(decoded).finish())
}
