package frame

import (
	"encoding/binary"
	"io"
	"time"
)

// SnapLen is the longest frame that a capture has room for.
const SnapLen = 262144

// Writer writes a capture (pcap-savefile(5)).
type Writer struct{ w io.Writer }

// NewWriter begins a capture of Ethernet frames.
func NewWriter(w io.Writer) (*Writer, error) {
	const magic, linkEthernet = 0xa1b2c3d4, 1
	var head [24]byte
	binary.LittleEndian.PutUint32(head[0:], magic)
	binary.LittleEndian.PutUint16(head[4:], 2)
	binary.LittleEndian.PutUint16(head[6:], 4)
	binary.LittleEndian.PutUint32(head[16:], SnapLen)
	binary.LittleEndian.PutUint32(head[20:], linkEthernet)
	_, err := w.Write(head[:])
	return &Writer{w}, err
}

// Write appends a frame that was seen at a time.
func (w *Writer) Write(at time.Time, frame []byte) error {
	kept := frame[:min(len(frame), SnapLen)]
	b := make([]byte, 16, 16+len(kept))
	binary.LittleEndian.PutUint32(b[0:], uint32(at.Unix()))
	binary.LittleEndian.PutUint32(b[4:], uint32(at.Nanosecond()/1000))
	binary.LittleEndian.PutUint32(b[8:], uint32(len(kept)))
	binary.LittleEndian.PutUint32(b[12:], uint32(len(frame)))
	_, err := w.w.Write(append(b, kept...)) // at once, for whoever reads along
	return err
}
