// Command verify-go verifies an exported log offline. It was written from docs/log-format.md alone.
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const usage = "usage: verify-go --root KEY [--root KEY]... [--approver KEY]... [--anchor SIZE:HASH]... [--json] DIR_OR_FILE\n" +
	"       verify-go --batch CASES    (for `cargo xtask verify-diff`)\n" +
	"\nexit codes: 0 intact and anchored, 1 cannot be read, 2 usage, 4 self-consistent only, 5 tampered\n"

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	var known trust
	var path string
	asJSON := false
	for len(args) > 0 {
		name, value, attached := strings.Cut(args[0], "=")
		args = args[1:]
		switch name {
		case "--root", "--approver", "--anchor", "--batch":
			if !attached {
				if len(args) == 0 {
					return misused(name + " needs a value")
				}
				value, args = args[0], args[1:]
			}
			if name == "--batch" {
				return batch(value)
			}
			if err := known.add(name, value); err != nil {
				return misused(err.Error())
			}
		case "--json":
			asJSON = true
		case "--help", "-h":
			fmt.Print(usage)
			return 0
		default:
			if strings.HasPrefix(name, "-") || path != "" {
				return misused("unknown option, or more than one export")
			}
			path = name
			if attached {
				path += "=" + value
			}
		}
	}
	if len(known.roots) == 0 || path == "" {
		return misused("--root and an export are required")
	}
	files, err := read(path)
	var found verdict
	if err == nil {
		found, err = verify(files, known)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		return 1
	}
	if asJSON {
		text, err := json.Marshal(found)
		if err != nil {
			return 1
		}
		fmt.Println(string(text))
	} else {
		fmt.Printf("%s: %d leaves, %d of them unanchored\n", found.Verdict, found.Size, found.Unanchored)
	}
	return found.exitCode()
}

func misused(message string) int {
	fmt.Fprintf(os.Stderr, "error: %s\n%s", message, usage)
	return 2
}

func (t *trust) add(name, value string) error {
	switch name {
	case "--anchor":
		a, ok := anchorOf(value)
		if !ok {
			return errors.New("invalid --anchor: expected SIZE:HASH")
		}
		t.anchors = append(t.anchors, a)
	default:
		key, ok := keyOf(value)
		if !ok {
			return errors.New("invalid " + name + ": expected a public key of 64 lower-case hex digits")
		}
		if name == "--root" {
			t.roots = append(t.roots, key)
		} else {
			t.approvers = append(t.approvers, key)
		}
	}
	return nil
}

// read takes a directory, or a log.jsonl alone.
func read(path string) (export, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, errors.New("cannot read the export")
	}
	files := export{}
	if info.Mode().IsRegular() {
		files["log.jsonl"], err = os.ReadFile(path)
		return files, err
	}
	for name, needed := range map[string]bool{
		"manifest.json": true, "handovers.jsonl": true, "checkpoints.jsonl": true, "log.jsonl": true,
		"seams.jsonl": false, "receipts.jsonl": false,
	} {
		file := filepath.Join(path, name)
		info, err := os.Lstat(file)
		if errors.Is(err, os.ErrNotExist) && !needed {
			continue
		}
		if err != nil || !info.Mode().IsRegular() {
			return nil, errors.New("cannot read " + name)
		}
		if files[name], err = os.ReadFile(file); err != nil {
			return nil, errors.New("cannot read " + name)
		}
	}
	return files, nil
}

// batch reads cases, each a number of named parts (u32, then for each u32 length and bytes of its name and of what it
// holds), and answers each with a line of JSON. A part is a file, or `root`, `approver`, `anchor`.
func batch(path string) int {
	file, err := os.Open(path)
	if err != nil {
		return misused("cannot read the cases")
	}
	in, out := bufio.NewReaderSize(file, 1<<20), bufio.NewWriter(os.Stdout)
	for {
		parts, err := number32(in)
		if errors.Is(err, io.EOF) {
			break
		}
		var known trust
		files := export{}
		usageError := false
		for ; err == nil && parts > 0; parts-- {
			var name, value []byte
			if name, err = sized(in); err != nil {
				break
			}
			if value, err = sized(in); err != nil {
				break
			}
			switch text := string(name); text {
			case "root", "approver", "anchor":
				usageError = known.add("--"+text, string(value)) != nil || usageError
			default:
				files[text] = value
			}
		}
		if err != nil {
			return misused("damaged cases")
		}
		var answer any
		if usageError {
			answer = map[string]string{"error": "usage"}
		} else if found, err := verify(files, known); err != nil {
			answer = map[string]string{"error": err.Error()}
		} else {
			answer = found
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return 1
		}
		out.Write(append(text, '\n'))
	}
	if out.Flush() != nil {
		return 1
	}
	return 0
}

func number32(in io.Reader) (uint32, error) {
	var b [4]byte
	_, err := io.ReadFull(in, b[:])
	return binary.BigEndian.Uint32(b[:]), err
}

func sized(in io.Reader) ([]byte, error) {
	n, err := number32(in)
	if err != nil {
		return nil, err
	}
	b := make([]byte, n)
	_, err = io.ReadFull(in, b)
	return b, err
}
