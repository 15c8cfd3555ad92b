package envelope

// validTimestamp reports whether s is an RFC 3339 date-time. time.Parse is no judge of that: it refuses lower-case t
// and z and leap seconds, and takes comma fractions, one-digit hours and offsets past 23:59.
func validTimestamp(s string) bool {
	const layout = "0000-00-00T00:00:00"
	if len(s) < len(layout)+1 {
		return false
	}
	for i := range len(layout) {
		switch want, got := layout[i], s[i]; want {
		case '0':
			if !isDigit(got) {
				return false
			}
		case 'T':
			if got|0x20 != 't' {
				return false
			}
		default:
			if got != want {
				return false
			}
		}
	}
	rest, ok := skipFraction(s[len(layout):])
	if !ok || !validDate(number(s[:4]), two(s[5:]), two(s[8:])) {
		return false
	}
	offset, ok := zoneOffset(rest)
	hour, minute, second := two(s[11:]), two(s[14:]), two(s[17:])
	if !ok || hour > 23 || minute > 59 || second > 60 {
		return false
	}
	// A leap second is the last one of a day in UTC, whatever the offset it is written in.
	const day = 24 * 60
	return second < 60 || (hour*60+minute-offset+2*day)%day == day-1
}

// skipFraction cuts a fraction of seconds, a point and at least one digit, from the front of s.
func skipFraction(s string) (rest string, ok bool) {
	if s[0] != '.' {
		return s, true
	}
	n := 1
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return s[n:], n > 1
}

// zoneOffset reads Z or a numeric offset, in minutes east of UTC.
func zoneOffset(s string) (minutes int, ok bool) {
	if len(s) == 1 {
		return 0, s[0]|0x20 == 'z'
	}
	if len(s) != len("+00:00") || s[3] != ':' {
		return 0, false
	}
	for _, i := range [...]int{1, 2, 4, 5} {
		if !isDigit(s[i]) {
			return 0, false
		}
	}
	h, m := two(s[1:]), two(s[4:])
	if h > 23 || m > 59 {
		return 0, false
	}
	switch s[0] {
	case '+':
		return h*60 + m, true
	case '-':
		return -(h*60 + m), true
	}
	return 0, false
}

func validDate(year, month, day int) bool {
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}
	if month < 1 || month > 12 || day < 1 {
		return false
	}
	last := days[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		last = 29
	}
	return day <= last
}

// two returns the number that the first two bytes of s, known to be digits, stand for.
func two(s string) int { return number(s[:2]) }

func number(s string) int {
	n := 0
	for i := range len(s) {
		n = n*10 + int(s[i]-'0')
	}
	return n
}
