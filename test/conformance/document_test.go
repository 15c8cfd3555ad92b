package conformance
import "testing"
func checkDocument(t *testing.T, results map[[2]string]cell, carried map[string]int) {
	for k, c := range results { t.Log(k, c.summary(), c.unchanged, carried[k[0]]) }
}
