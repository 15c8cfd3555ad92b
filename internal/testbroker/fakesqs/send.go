package fakesqs

import (
	"crypto/md5" //nolint:gosec // the protocol's own checksum
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// attribute is a message attribute as the wire has it; BinaryValue is base64 there and bytes here.
type attribute struct {
	DataType    string
	StringValue *string `json:",omitempty"`
	BinaryValue []byte  `json:",omitempty"`
}

type sendEntry struct {
	ID                     string `json:"Id"`
	MessageBody            string
	DelaySeconds           *int
	MessageGroupID         string `json:"MessageGroupId"`
	MessageDeduplicationID string `json:"MessageDeduplicationId"`
	MessageAttributes      map[string]attribute
}

type sendInput struct {
	sendEntry
	QueueURL string `json:"QueueUrl"`
}

type sendResult struct {
	ID                     string `json:"Id,omitempty"`
	MessageID              string `json:"MessageId"`
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

func (s *Server) sendMessage(in sendInput) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := s.find(in.QueueURL)
	if err != nil {
		return nil, err
	}
	return s.accept(q, &in.sendEntry)
}

// accept checks one message and puts it into the queue. The caller holds the lock.
func (s *Server) accept(q *queue, in *sendEntry) (any, error) {
	if err := q.check(in); err != nil {
		return nil, err
	}
	now := s.now()
	if q.fifo && in.MessageDeduplicationID == "" {
		sum := sha256.Sum256([]byte(in.MessageBody))
		in.MessageDeduplicationID = hex.EncodeToString(sum[:])
	}
	m := q.dedup[in.MessageDeduplicationID]
	if !q.fifo || m == nil || now.Sub(m.sent) >= dedupWindow {
		m = s.newMessage(q, in, now)
	}
	sum := md5.Sum([]byte(in.MessageBody))
	res := sendResult{ID: in.ID, MessageID: m.id, MD5OfMessageBody: hex.EncodeToString(sum[:]), MD5OfMessageAttributes: attributesMD5(in.MessageAttributes)}
	if q.fifo {
		res.SequenceNumber = fmt.Sprintf("%020d", m.seq)
	}
	return res, nil
}

func (s *Server) newMessage(q *queue, in *sendEntry, now time.Time) *message {
	s.sequence++
	delay := q.seconds("DelaySeconds")
	if in.DelaySeconds != nil && !q.fifo {
		delay = time.Duration(*in.DelaySeconds) * time.Second
	}
	m := &message{
		id: randomID(), body: in.MessageBody, group: in.MessageGroupID, dedup: in.MessageDeduplicationID, seq: s.sequence,
		attrs: maps.Clone(in.MessageAttributes), sent: now, visible: now.Add(delay),
	}
	if q.fifo {
		q.dedup[m.dedup] = m
	}
	q.add(m)
	return m
}

func (q *queue) check(in *sendEntry) error {
	if in.MessageBody == "" {
		return fail("MissingParameter", "The request must contain the parameter MessageBody.")
	}
	if !legalXML(in.MessageBody) {
		return fail("InvalidMessageContents", "Invalid characters found. Valid unicode characters are #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF")
	}
	if err := checkMessageAttributes(in.MessageAttributes); err != nil {
		return err
	}
	if n := sizeOf(in); n > q.number("MaximumMessageSize") {
		return invalid("One or more parameters are invalid. Reason: Message must be shorter than " + q.attrs["MaximumMessageSize"] + " bytes.")
	}
	if in.DelaySeconds != nil && (*in.DelaySeconds < 0 || *in.DelaySeconds > 900) {
		return invalid("Value " + strconv.Itoa(*in.DelaySeconds) + " for parameter DelaySeconds is invalid.")
	}
	return q.checkGroup(in)
}

var groupID = regexp.MustCompile("^[A-Za-z0-9!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]{1,128}$")

func (q *queue) checkGroup(in *sendEntry) error {
	if in.MessageGroupID != "" && !groupID.MatchString(in.MessageGroupID) {
		return invalid("Value for parameter MessageGroupId is invalid.")
	}
	if !q.fifo {
		if in.MessageDeduplicationID != "" {
			return invalid("Value for parameter MessageDeduplicationId is invalid. Reason: The request includes a parameter that is not valid for this queue type.")
		}
		return nil
	}
	switch {
	case in.MessageGroupID == "":
		return fail("MissingParameter", "The request must contain the parameter MessageGroupId.")
	case in.DelaySeconds != nil && *in.DelaySeconds != 0:
		return invalid("Value for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type.")
	case in.MessageDeduplicationID == "" && q.attrs["ContentBasedDeduplication"] != "true":
		return invalid("The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly")
	case in.MessageDeduplicationID != "" && !groupID.MatchString(in.MessageDeduplicationID):
		return invalid("Value for parameter MessageDeduplicationId is invalid.")
	}
	return nil
}

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func checkMessageAttributes(attrs map[string]attribute) error {
	if len(attrs) > 10 {
		return invalid("Number of message attributes [" + strconv.Itoa(len(attrs)) + "] exceeds the allowed maximum [10].")
	}
	for name, a := range attrs {
		lower := strings.ToLower(name)
		if len(name) > 256 || !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") || strings.HasPrefix(lower, "amazon.") {
			return invalid("The message attribute name '" + name + "' is invalid.")
		}
		kind, _, _ := strings.Cut(a.DataType, ".")
		switch kind {
		case "String", "Number":
			if a.StringValue == nil || *a.StringValue == "" {
				return invalid("The message attribute '" + name + "' must contain a non-empty value of type '" + kind + "'.")
			}
			if !legalXML(*a.StringValue) {
				return fail("InvalidMessageContents", "The message attribute '"+name+"' contains invalid characters.")
			}
		case "Binary":
			if len(a.BinaryValue) == 0 {
				return invalid("The message attribute '" + name + "' must contain a non-empty value of type 'Binary'.")
			}
		default:
			return invalid("The type of message attribute '" + name + "' is invalid.")
		}
	}
	return nil
}

// sizeOf counts a message as the service does: the body, and every attribute's name, type and value.
func sizeOf(in *sendEntry) int {
	n := len(in.MessageBody)
	for name, a := range in.MessageAttributes {
		n += len(name) + len(a.DataType) + len(a.BinaryValue)
		if a.StringValue != nil {
			n += len(*a.StringValue)
		}
	}
	return n
}

// legalXML reports whether the text has only characters of XML 1.0.
func legalXML(s string) bool {
	for i, r := range s {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
		case r < 0x20 || r == 0xFFFE || r == 0xFFFF:
			return false
		case r == utf8.RuneError:
			if _, n := utf8.DecodeRuneInString(s[i:]); n == 1 {
				return false
			}
		}
	}
	return true
}

// attributesMD5 is the checksum that the developer guide describes: names in order, each part with its length before it.
func attributesMD5(attrs map[string]attribute) string {
	if len(attrs) == 0 {
		return ""
	}
	h := md5.New()
	for _, name := range slices.Sorted(maps.Keys(attrs)) {
		a := attrs[name]
		writePart(h, []byte(name))
		writePart(h, []byte(a.DataType))
		if a.StringValue != nil {
			h.Write([]byte{1})
			writePart(h, []byte(*a.StringValue))
		} else {
			h.Write([]byte{2})
			writePart(h, a.BinaryValue)
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func writePart(h hash.Hash, part []byte) {
	_ = binary.Write(h, binary.BigEndian, uint32(len(part))) // a hash does not fail
	h.Write(part)
}

// randomID returns a UUID, the form of message and request ids.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
