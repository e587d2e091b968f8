package loadgen

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"slices"
	"strings"
)

// How much a compressed answer may hold: leastDecoded bytes in any case, and otherwise
// mostRatio times what came. Events are alike, and compress to a thirtieth. An answer that
// is made to blow up compresses to a thousandth, and would keep the collector busy.
const (
	leastDecoded = 4 << 20
	mostRatio    = 64
)

// decode replaces a compressed body by what it holds, and gives each part of it the time
// at which the compressed bytes came that it needs. It runs after the request has ended,
// so that no decompressor holds events back. Errors are those of encodings that are not
// known and of broken data.
func (r *record) decode() error {
	open := func(in io.Reader) (io.Reader, error) { return gzip.NewReader(in) }
	switch encoding := strings.ToLower(strings.TrimSpace(r.encoding)); {
	case encoding == "" || encoding == "identity", looksStreamed(r.body), looksWhole(r.body): // whatever the header says
		return nil
	case encoding == "gzip" || encoding == "x-gzip":
	case encoding == "deflate" && zlibbed(r.body):
		open = func(in io.Reader) (io.Reader, error) { return zlib.NewReader(in) }
	case encoding == "deflate": // without zlib's header, as some servers understand the word
		open = func(in io.Reader) (io.Reader, error) { return flate.NewReader(in), nil }
	default:
		return errors.New("only gzip and deflate are known")
	}
	// A decompressor that is given a byte reader takes no byte before it needs it.
	in := bytes.NewReader(r.body)
	z, err := open(in)
	if err != nil {
		return err
	}
	most := min(largestAnswer, max(leastDecoded, mostRatio*len(r.body)))
	var body []byte
	var reads []read
	for {
		if cap(body)-len(body) < 4096 { // append would grow it by a quarter, and copy it so much more often
			body = slices.Grow(body, max(4096, min(len(body), most-len(body)+4096)))
		}
		n, err := z.Read(body[len(body) : len(body)+4096])
		if body = body[:len(body)+n]; n > 0 {
			reads = append(reads, read{len(body), r.timeOf(len(r.body) - in.Len())})
		}
		if err == nil && len(body) > most {
			err = errLarge
		}
		if err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF) && r.err != nil {
			break // of a stream that broke, what came is kept
		}
		if err != nil {
			return err
		}
	}
	r.body, r.reads = body, reads
	return nil
}

// zlibbed reports whether a body begins with zlib's header (RFC 1950, 2.2).
func zlibbed(body []byte) bool {
	return len(body) > 1 && body[0]&0x0f == 8 && (int(body[0])<<8|int(body[1]))%31 == 0
}
