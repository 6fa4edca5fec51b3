// Package mbox is a folder of mail in one file and the marks that its messages
// have (mbox(5), the fields Status and X-Status). Bytes in, bytes out: who opens
// and locks the file is mailx.
package mbox
