// The AWS Encryption SDK for JavaScript on artifacts: encrypt | decrypt INPUT OUTPUT ENDPOINT KEY_ARN CONTEXT_JSON
'use strict'
const fs = require('fs')
const { AlgorithmSuiteIdentifier, buildClient, CommitmentPolicy, KMS, KmsKeyringNode } = require('@aws-crypto/client-node')

async function main([verb, input, output, endpoint, arn, contextJson]) {
  const context = JSON.parse(contextJson)
  const clientProvider = () => new KMS({ endpoint, region: 'test-1', credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' } })
  const { encrypt, decrypt } = buildClient(CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
  const data = fs.readFileSync(input)
  if (verb === 'encrypt') {
    const suiteId = AlgorithmSuiteIdentifier.ALG_AES256_GCM_IV12_TAG16_HKDF_SHA512_COMMIT_KEY
    const keyring = new KmsKeyringNode({ clientProvider, generatorKeyId: arn })
    const { result } = await encrypt(keyring, data, { suiteId, encryptionContext: context, frameLength: 4096 })
    fs.writeFileSync(output, result)
    return
  }
  const { plaintext, messageHeader } = await decrypt(new KmsKeyringNode({ clientProvider, keyIds: [arn] }), data)
  for (const [name, value] of Object.entries(context)) {
    if (messageHeader.encryptionContext[name] !== value) throw new Error(`the context has another ${name}`)
  }
  fs.writeFileSync(output, plaintext)
}

main(process.argv.slice(2)).catch((error) => {
  console.error(error)
  process.exit(1)
})
