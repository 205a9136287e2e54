// Go's net/http default client through the proxy that its environment names, and nothing else.
//
//	go_client BASE HTTPS_BASE CA_FILE REFUSED_HOST      each may be "" to skip its cases
//
// Built by scripts/test.sh into $ODYN_TEST_TOOLS/bin/go_client. Go sends http:// in absolute form and https:// through
// CONNECT, and never uses a proxy for localhost or a loopback address: BASE has to name the origin as `host`.
// Lines and exit status: as in report.py.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand"
	"net/http"
	"net/http/httptrace"
	"os"
	"strings"
	"time"
)

const (
	keepAliveRequests = 20
	upload            = 1 << 20
	chunked           = 3 << 20
	hello             = "hello from the origin\n"
)

type detail map[string]any

var passed, failed int

func main() {
	if len(os.Args) != 5 {
		fmt.Fprintln(os.Stderr, `usage: go_client BASE HTTPS_BASE CA_FILE REFUSED_HOST (each may be "")`)
		os.Exit(2)
	}
	base, httpsBase, caFile, refused := os.Args[1], os.Args[2], os.Args[3], os.Args[4]
	if caFile != "" {
		// Read at the first handshake, so the default client itself trusts the test's CA.
		os.Setenv("SSL_CERT_FILE", caFile)
	}
	// The default transport as it is, but for one second's patience with 100 Continue, which a loaded machine can exceed.
	http.DefaultTransport.(*http.Transport).ExpectContinueTimeout = 20 * time.Second
	http.DefaultClient.Timeout = time.Minute
	for _, origin := range []struct{ scheme, url string }{{"http", base}, {"https", httpsBase}} {
		if origin.url == "" {
			continue
		}
		for _, c := range []struct {
			name string
			run  func(string) (detail, error)
		}{
			{"get", get},
			{"keep_alive", keepAlive},
			{"post_1m", post},
			{"upload_chunked_3m", uploadChunked},
			{"download_chunked_3m", downloadChunked},
			{"head", head},
			{"no_content", noContent},
			{"expect_continue", expectContinue},
			{"expect_refused", expectRefused},
		} {
			report(c.name, origin.scheme, func() (detail, error) { return c.run(origin.url) })
		}
	}
	if refused != "" {
		report("refused", "http", func() (detail, error) { return refusedHTTP(refused) })
		report("refused", "https", func() (detail, error) { return refusedHTTPS(refused) })
	}
	ok := failed == 0 && passed > 0
	printLine(detail{"client": "go", "case": "done", "ok": ok, "passed": passed, "failed": failed})
	if !ok {
		os.Exit(1)
	}
}

func report(name, scheme string, run func() (detail, error)) {
	line := detail{"client": "go", "case": name, "scheme": scheme}
	result, err := run()
	if err != nil {
		failed++
		line["ok"], line["error"] = false, err.Error()
	} else {
		passed++
		line["ok"], line["detail"] = true, result
	}
	printLine(line)
}

func printLine(line detail) {
	text, err := json.Marshal(line)
	if err != nil {
		panic(err)
	}
	fmt.Println(string(text))
}

func get(url string) (detail, error) {
	return detail{"status": 200}, getHello(context.Background(), url)
}

func keepAlive(url string) (detail, error) {
	// A fresh connection first, so that the count does not depend on the cases before.
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	connections := 0
	ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
		GotConn: func(info httptrace.GotConnInfo) {
			if !info.Reused {
				connections++
			}
		},
	})
	for i := 0; i < keepAliveRequests; i++ {
		if err := getHello(ctx, url); err != nil {
			return nil, err
		}
	}
	if connections != 1 {
		return nil, fmt.Errorf("%d connections to the proxy for %d requests", connections, keepAliveRequests)
	}
	return detail{"requests": keepAliveRequests, "connections": connections}, nil
}

func post(url string) (detail, error) {
	data := body(upload)
	return echo(url+"/echo-sha256", bytes.NewReader(data), data, "length", nil)
}

func uploadChunked(url string) (detail, error) {
	data := body(chunked)
	// A reader of unknown type has no length for net/http to find, so the body goes out chunked.
	return echo(url+"/echo-sha256", io.MultiReader(bytes.NewReader(data)), data, "chunked", nil)
}

func downloadChunked(url string) (detail, error) {
	answer, err := http.Get(fmt.Sprintf("%s/chunked?bytes=%d", url, chunked))
	if err != nil {
		return nil, err
	}
	content, err := readAll(answer)
	if err != nil {
		return nil, err
	}
	if len(content) != chunked {
		return nil, fmt.Errorf("%d bytes", len(content))
	}
	if sum(content) != answer.Header.Get("X-Body-Sha256") {
		return nil, fmt.Errorf("other bytes than the origin sent")
	}
	return detail{"bytes": len(content)}, nil
}

func head(url string) (detail, error) {
	answer, err := http.Head(url + "/hello")
	if err != nil {
		return nil, err
	}
	content, err := readAll(answer)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != 200 || len(content) != 0 || answer.ContentLength != int64(len(hello)) {
		return nil, fmt.Errorf("status %d, %d bytes, length %d", answer.StatusCode, len(content), answer.ContentLength)
	}
	return detail{"status": 200}, getHello(context.Background(), url)
}

func noContent(url string) (detail, error) {
	answer, err := http.Get(url + "/status/204")
	if err != nil {
		return nil, err
	}
	content, err := readAll(answer)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode != 204 || len(content) != 0 {
		return nil, fmt.Errorf("status %d, %d bytes", answer.StatusCode, len(content))
	}
	return detail{"status": 204}, getHello(context.Background(), url)
}

// The body waits for the interim answer: net/http sends it unasked only after a second, which the trace would show.
func expectContinue(url string) (detail, error) {
	data := body(upload)
	interim := false
	trace := &httptrace.ClientTrace{Got100Continue: func() { interim = true }}
	result, err := echo(url+"/expect", bytes.NewReader(data), data, "length", trace)
	if err == nil && !interim {
		err = fmt.Errorf("no 100 Continue reached the client")
	}
	return result, err
}

// A final answer in place of 100 Continue: the body is never sent.
func expectRefused(url string) (detail, error) {
	sent := &counter{reader: bytes.NewReader(body(upload))}
	request, err := http.NewRequest("POST", url+"/expect/refuse", sent)
	if err != nil {
		return nil, err
	}
	request.ContentLength = upload
	request.Header.Set("Expect", "100-continue")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	if _, err := readAll(answer); err != nil {
		return nil, err
	}
	if answer.StatusCode != 417 || sent.read != 0 {
		return nil, fmt.Errorf("status %d after %d bytes of the body", answer.StatusCode, sent.read)
	}
	return detail{"status": 417}, nil
}

func refusedHTTP(host string) (detail, error) {
	answer, err := http.Get("http://" + host + "/")
	if err != nil {
		return nil, err
	}
	content, err := readAll(answer)
	if err != nil {
		return nil, err
	}
	var refusal detail
	if err := json.Unmarshal(content, &refusal); err != nil {
		return nil, fmt.Errorf("status %d, body %q: %w", answer.StatusCode, content, err)
	}
	if answer.StatusCode != 403 || refusal["error"] != "egress denied" {
		return nil, fmt.Errorf("status %d, body %s", answer.StatusCode, content)
	}
	return refusal, nil
}

// net/http reports a refused CONNECT by its reason phrase alone.
func refusedHTTPS(host string) (detail, error) {
	answer, err := http.Get("https://" + host + "/")
	if err == nil {
		answer.Body.Close()
		return nil, fmt.Errorf("answered %d", answer.StatusCode)
	}
	if !strings.HasSuffix(err.Error(), "Forbidden") {
		return nil, fmt.Errorf("not a 403: %w", err)
	}
	return detail{"error": err.Error()}, nil
}

func getHello(ctx context.Context, url string) error {
	request, err := http.NewRequestWithContext(ctx, "GET", url+"/hello", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	content, err := readAll(answer)
	if err != nil {
		return err
	}
	if answer.StatusCode != 200 || string(content) != hello {
		return fmt.Errorf("status %d, body %q", answer.StatusCode, content)
	}
	return nil
}

func echo(url string, reader io.Reader, data []byte, framing string, trace *httptrace.ClientTrace) (detail, error) {
	request, err := http.NewRequest("POST", url, reader)
	if err != nil {
		return nil, err
	}
	if trace != nil {
		request = request.WithContext(httptrace.WithClientTrace(request.Context(), trace))
		request.Header.Set("Expect", "100-continue")
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	content, err := readAll(answer)
	if err != nil {
		return nil, err
	}
	var got struct {
		Sha256, Framing string
		Bytes           int
	}
	if err := json.Unmarshal(content, &got); err != nil {
		return nil, fmt.Errorf("status %d, body %q: %w", answer.StatusCode, content, err)
	}
	if got.Bytes != len(data) || got.Sha256 != sum(data) || got.Framing != framing {
		return nil, fmt.Errorf("origin got %d bytes, framing %s", got.Bytes, got.Framing)
	}
	return detail{"bytes": got.Bytes, "framing": framing}, nil
}

func readAll(answer *http.Response) ([]byte, error) {
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

// Bytes that look random and are the same every time.
func body(size int) []byte {
	data := make([]byte, size)
	rand.New(rand.NewSource(1)).Read(data)
	return data
}

func sum(data []byte) string {
	digest := sha256.Sum256(data)
	return hex.EncodeToString(digest[:])
}

type counter struct {
	reader io.Reader
	read   int
}

func (c *counter) Read(into []byte) (int, error) {
	n, err := c.reader.Read(into)
	c.read += n
	return n, err
}
