package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// readAdmin waits until the router's admin address stands in its log, and notes how much it has allocated until then.
func (p *process) readAdmin() error {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		text, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			var line struct{ Msg, Admin string }
			if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "router started" {
				p.admin = line.Admin
			}
		}
		if p.admin != "" {
			p.before, err = p.mallocs()
			return err
		}
		select {
		case err := <-p.exited:
			p.ended = true
			return errors.Join(errors.New("the router ended: "+p.tail()), err)
		case <-time.After(5 * time.Millisecond):
		}
	}
	return errors.New("the router does not start: " + p.tail())
}

// mallocs reads how many objects the router has allocated.
func (p *process) mallocs() (uint64, error) {
	resp, err := http.Get("http://" + p.admin + "/metrics")
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "go_memstats_mallocs_total "); ok {
			v, err := strconv.ParseFloat(text, 64)
			return uint64(v), err
		}
	}
	return 0, errors.New("no go_memstats_mallocs_total in the metrics")
}
