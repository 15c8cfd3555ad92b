package pipeline

import "math/rand/v2"

// cut moves the next Send's deliveries to s.batch, in their order. What has to wait, for its time or for an earlier one of
// its key (invariant 5), is moved to a line. It returns when the earliest of those may go, 0 if none waits for a time.
func (s *shard) cut(now int64) (wakeAt int64) {
	l := s.lane
	s.batch, s.bytes = s.batch[:0], 0
	if !l.open.Load() {
		return 0
	}
	if p := max(s.target.paused, l.pausedUntil.Load()); p > now {
		return p
	}
	s.busy.reset()
	probing := s.target.down() // with a fresh event, if there is one
	if probing {
		s.shuffle()
	}
	s.cutLines(now, !probing && s.target.barred(s.pending()) <= now)
	s.cutQueue()
	if len(s.batch) == 0 { // so nothing fresh waits but for others of its key
		s.cutLines(now, probing || s.target.barred(false) <= now)
	}
	first := s.lines.first()
	if first == nil {
		return 0 // where there is a ready line, the batch is not empty
	}
	return max(first.next(), s.target.barred(false))
}

// cutLines takes what may go of the lines, those that wait longest first; repeats says whether what failed before may.
func (s *shard) cutLines(now int64, repeats bool) {
	for !s.full() {
		l := s.lines.takeReady()
		if l == nil {
			break
		}
		if !s.cutLine(l, now) {
			return
		}
	}
	for !s.full() {
		first := s.lines.first()
		if first == nil || first.next() > now || !repeats && first.ds.front().attempts > 0 {
			return
		}
		s.lines.takeOut(first)
		if !s.cutLine(first, now) {
			return
		}
	}
}

// cutLine takes the first delivery of a line, and what follows it if the sink keeps the order. It is false if the batch
// has no room for the first one.
func (s *shard) cutLine(l *line, now int64) bool {
	for i := 0; l.ds.len() > 0 && !s.full() && l.next() <= now; i++ {
		d := l.ds.front()
		if !s.fits(d) {
			return i > 0
		}
		last := l.key == 0 || s.orders(d)
		s.batch = append(s.batch, l.ds.popFront())
		if last {
			break
		}
	}
	return true
}

// cutQueue takes what may go of the queue.
func (s *shard) cutQueue() {
	for ; s.pending() && !s.full(); s.head++ {
		d := &s.queue[s.head]
		if d.key != 0 {
			if l := s.lines.of(d.key); l != nil {
				l.ds.pushBack(*d)
				*d = delivery{}
				continue
			}
			if s.busy.has(d.key) {
				s.lines.open(d.key).ds.pushBack(*d)
				*d = delivery{}
				continue
			}
		}
		if !s.fits(d) {
			return
		}
		if d.key != 0 && s.orders(d) {
			s.busy.add(d.key)
		}
		s.batch = append(s.batch, *d)
		*d = delivery{}
	}
}

// orders reports whether the next of the delivery's key has to wait for its outcome.
func (s *shard) orders(d *delivery) bool { return !s.lane.keepsOrder || s.lane.mayShrink(d) }

// full reports whether the batch has as many events as it may have.
func (s *shard) full() bool { return len(s.batch) >= s.lane.sink.BatchEvents }

// fits reports whether the batch has room for the bytes of a delivery, and takes it. The first one always fits.
func (s *shard) fits(d *delivery) bool {
	size := d.event.Size()
	if len(s.batch) > 0 && s.bytes+size > s.lane.sink.BatchBytes {
		return false
	}
	s.bytes += size
	return true
}

// shuffle moves a fresh delivery from anywhere in the queue to its front, so that a run of events that the target does not
// like is not taken for a target that is down, probe after probe. Of a key it is the first one.
func (s *shard) shuffle() {
	waiting := s.queue[s.head:]
	for range 8 {
		if len(waiting) < 2 {
			return
		}
		i := rand.IntN(len(waiting))
		if key := waiting[i].key; key != 0 {
			if s.lines.of(key) != nil {
				continue
			}
			for j := range i {
				if waiting[j].key == key {
					i = j
					break
				}
			}
		}
		d := waiting[i]
		copy(waiting[1:i+1], waiting[:i])
		waiting[0] = d
		return
	}
}
