package pipeline

import "github.com/eventrouter/router/bindings"

// abandon fails everything that is pending (invariant 7).
func (s *shard) abandon() {
	for ; s.pending(); s.head++ {
		s.ends.returned(&s.queue[s.head], bindings.ErrStopped)
	}
	clear(s.queue)
	s.queue, s.head = s.queue[:0], 0
	s.lines.unready()
	for _, l := range s.lines.waiting {
		s.abandonLine(l)
	}
	clear(s.lines.waiting)
	s.lines.waiting = s.lines.waiting[:0]
	s.ends.flush()
}

// abandonLine fails what is in a line that the caller takes out of the heap.
func (s *shard) abandonLine(l *line) {
	for l.ds.len() > 0 {
		d := l.ds.popFront()
		s.ends.returned(&d, bindings.ErrStopped)
	}
	s.lines.drop(l)
}

// failHeld gives back what a policy held, so that a stop need not wait for it, and with it whatever waits after it for the
// sake of order (invariant 5), now and later.
func (s *shard) failHeld() {
	kept := s.lines.waiting[:0]
	for _, l := range s.lines.waiting {
		if !l.ds.front().held {
			l.place = len(kept)
			kept = append(kept, l)
			continue
		}
		if l.key != 0 {
			if s.givenBack == nil {
				s.givenBack = map[uint64]struct{}{}
			}
			s.givenBack[l.key] = struct{}{}
		}
		s.abandonLine(l)
	}
	if len(kept) < len(s.lines.waiting) {
		clear(s.lines.waiting[len(kept):])
		s.lines.waiting = kept
		s.lines.reorder()
	}
	if len(s.givenBack) > 0 {
		s.failFollowers()
	}
	s.ends.flush()
}

// failFollowers gives back what the queue has of keys whose held event was given back.
func (s *shard) failFollowers() {
	kept := s.queue[s.head:s.head]
	for i := s.head; i < len(s.queue); i++ {
		d := &s.queue[i]
		if _, follows := s.givenBack[d.key]; follows && d.key != 0 {
			s.ends.returned(d, bindings.ErrStopped)
			continue
		}
		kept = append(kept, *d)
	}
	clear(s.queue[s.head+len(kept):])
	s.queue = s.queue[:s.head+len(kept)]
}
