// ENHANCEDSTATUSCODES (RFC 2034): our answers carry the code that fits them; the library adds one of its own only where there is none.
import { SMTPConnection } from 'smtp-server/lib/smtp-connection.js'

const CODED = /^[245]\.\d{1,3}\.\d{1,3} /
const send = SMTPConnection.prototype.send

SMTPConnection.prototype.send = function (code, data, context) {
  return send.call(this, code, data, typeof data === 'string' && CODED.test(data) ? false : context)
}
