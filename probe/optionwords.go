package probe

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/tcpscope/tcpscope/rawsock/wire"
)

// maxOptions is the room for options in a TCP header, in octets: the data
// offset counts fifteen words at most, and five are the fixed header.
const maxOptions = 40

// ParseOptions reads TCP options in tcpdump's words, separated by commas:
//
//	mss 1460,sackOK,TS val 1 ecr 0,nop,wscale 7,eol
//
// A kind without a word is written KIND:HEX, as in "30:0001", where HEX is
// what follows the length octet. Nothing is put in order: the options stand in
// the segment as they are written here. Its errors name the option.
func ParseOptions(text string) ([]wire.Option, error) {
	if strings.TrimSpace(text) == "" {
		return nil, nil
	}
	var options []wire.Option
	size := 0
	for words := range strings.SplitSeq(text, ",") {
		words = strings.TrimSpace(words)
		option, err := parseOption(words)
		if err != nil {
			return nil, fmt.Errorf("TCP option %q: %w", words, err)
		}
		option.Offset = size
		size += optionSize(option)
		options = append(options, option)
	}
	if size > maxOptions {
		return nil, fmt.Errorf("TCP options of %d octets: a header has room for %d", size, maxOptions)
	}
	return options, nil
}

// optionSize is the room that an option takes: kind, length and data, except
// for the two kinds of one octet (RFC 9293, Section 3.2).
func optionSize(o wire.Option) int {
	if o.Kind == wire.OptNOP || o.Kind == wire.OptEnd {
		return 1
	}
	return 2 + len(o.Data)
}

var errOptionWords = errors.New("need mss N, wscale N, sackOK, sack N {LEFT:RIGHT}, TS val N ecr N, tfo, md5 HEX, nop, eol or KIND:HEX")

func parseOption(text string) (wire.Option, error) {
	if kind, data, raw := strings.Cut(text, ":"); raw && !strings.ContainsAny(kind, " {") {
		return parseRawOption(kind, data)
	}
	name, args, _ := strings.Cut(text, " ")
	words := strings.Fields(args)
	switch strings.ToLower(name) {
	case "nop":
		return wire.NOP(), none(words)
	case "eol":
		return wire.Option{Kind: wire.OptEnd}, none(words)
	case "sackok":
		return wire.SACKPermitted(), none(words)
	case "mss":
		n, err := one(words, 16)
		return wire.MSS(uint16(n)), err
	case "wscale":
		n, err := one(words, 8)
		return wire.WindowScale(uint8(n)), err
	case "ts":
		return parseTimestamps(words)
	case "sack":
		return parseSACK(words)
	case "tfo":
		return parseFastOpen(words)
	case "md5":
		return parseMD5(words)
	}
	if kind, unknown := strings.CutPrefix(name, "unknown-"); unknown {
		return parseRawOption(kind, args)
	}
	return wire.Option{}, errOptionWords
}

func none(words []string) error {
	if len(words) != 0 {
		return errors.New("takes no value")
	}
	return nil
}

func one(words []string, bits int) (uint64, error) {
	if len(words) != 1 {
		return 0, fmt.Errorf("takes one number, from 0 to %d", uint64(1)<<bits-1)
	}
	return number(words[0], bits)
}

func number(text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number from 0 to %d", text, uint64(1)<<bits-1)
	}
	return n, nil
}

func parseTimestamps(words []string) (wire.Option, error) {
	if len(words) != 4 || words[0] != "val" || words[2] != "ecr" {
		return wire.Option{}, errors.New("timestamps are written TS val N ecr N")
	}
	val, err := number(words[1], 32)
	if err != nil {
		return wire.Option{}, err
	}
	ecr, err := number(words[3], 32)
	return wire.Timestamps(uint32(val), uint32(ecr)), err
}

var errBlocks = errors.New("blocks are written sack N {LEFT:RIGHT}, with as many blocks as N says")

func parseSACK(words []string) (wire.Option, error) {
	if len(words) < 2 {
		return wire.Option{}, errBlocks
	}
	text, open := strings.CutPrefix(strings.Join(words[1:], ""), "{")
	text, closed := strings.CutSuffix(text, "}")
	pairs := strings.Split(text, "}{")
	if !open || !closed || words[0] != strconv.Itoa(len(pairs)) {
		return wire.Option{}, errBlocks
	}
	blocks := make([]wire.SACKBlock, len(pairs))
	for i, pair := range pairs {
		left, right, ok := strings.Cut(pair, ":")
		if !ok {
			return wire.Option{}, errBlocks
		}
		for edge, text := range map[*wire.Seq]string{&blocks[i].Left: left, &blocks[i].Right: right} {
			n, err := number(text, 32)
			if err != nil {
				return wire.Option{}, err
			}
			*edge = wire.Seq(n)
		}
	}
	return wire.SACK(blocks...), nil
}

func parseFastOpen(words []string) (wire.Option, error) {
	if len(words) == 0 || len(words) == 1 && words[0] == "cookiereq" {
		return wire.FastOpen(nil), nil
	}
	if len(words) != 2 || words[0] != "cookie" {
		return wire.Option{}, errors.New("a Fast Open cookie is written tfo cookiereq or tfo cookie HEX")
	}
	cookie, err := octets(words[1])
	return wire.FastOpen(cookie), err
}

func parseMD5(words []string) (wire.Option, error) {
	if len(words) == 1 {
		if digest, err := octets(words[0]); err == nil && len(digest) == 16 {
			return wire.MD5([16]byte(digest)), nil
		}
	}
	return wire.Option{}, errors.New("a signature is written md5 HEX, of 16 octets")
}

func parseRawOption(kind, text string) (wire.Option, error) {
	k, err := number(kind, 8)
	if err != nil {
		return wire.Option{}, fmt.Errorf("kind %w", err)
	}
	data, err := octets(strings.TrimPrefix(text, "0x"))
	option := wire.Option{Kind: wire.OptionKind(k), Data: data}
	if err == nil && len(data) > 0 && optionSize(option) == 1 {
		err = fmt.Errorf("kind %d is one octet and has no data", k)
	}
	return option, err
}

func octets(text string) ([]byte, error) {
	b, err := hex.DecodeString(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not an even number of hexadecimal digits", text)
	}
	return b, nil
}
