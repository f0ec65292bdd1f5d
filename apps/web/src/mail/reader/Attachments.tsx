import { Calendar, Download, File, FileArchive, FileText, Image, Mail, Music, Sheet, Video } from 'lucide-react'
import type { Attachment } from '../../data/types.ts'
import { t } from '../../i18n/index.ts'
import { fileSize } from '../../ui/format.ts'

export function Attachments({ attachments }: { readonly attachments: readonly Attachment[] }) {
  if (attachments.length === 0) return null
  return (
    <section className="attachments" aria-label={t('attachments', { n: attachments.length })}>
      <h3>{t('attachments', { n: attachments.length })}</h3>
      <ul>
        {attachments.map((each) => {
          const Icon = fileIcon(each.type, each.filename)
          const name = each.filename || t('unnamed')
          return (
            <li key={each.section}>
              <a
                className="attachment"
                href={each.url}
                download={name}
                aria-label={t('downloadNamed', { name })}
                title={name}
              >
                <span className="attachment-icon">
                  <Icon size={20} strokeWidth={1.75} aria-hidden="true" />
                </span>
                <span className="attachment-text">
                  <span className="attachment-name">{name}</span>
                  <span className="attachment-size">{fileSize(each.size)}</span>
                </span>
                <Download size={16} strokeWidth={1.75} aria-hidden="true" className="attachment-get" />
              </a>
            </li>
          )
        })}
      </ul>
    </section>
  )
}

export function fileIcon(type: string, filename: string) {
  if (type.startsWith('image/')) return Image
  if (type.startsWith('audio/')) return Music
  if (type.startsWith('video/')) return Video
  if (type === 'message/rfc822') return Mail
  if (type === 'text/calendar') return Calendar
  if (/zip|compressed|tar|7z/.test(type) || /\.(zip|gz|7z|rar)$/i.test(filename)) return FileArchive
  if (/sheet|excel|csv/.test(type)) return Sheet
  if (type.startsWith('text/') || /pdf|word|document/.test(type)) return FileText
  return File
}
