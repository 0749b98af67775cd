// Command embed is a control plane. What happens comes in over HTTP, and orders go out to a
// platform the same way. It can be killed at any time and started again, and
// follows the champion of a registry while it runs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/incendio-faas/incendio/export/bundle"
	"github.com/incendio-faas/incendio/scheduler"
	"github.com/incendio-faas/incendio/scheduler/runner"
)

func main() { // embed ADDRESS PLATFORM REGISTRY STATE < functions and invokers
	cfg := scheduler.DefaultConfig()
	check(json.NewDecoder(os.Stdin).Decode(&cfg))
	r, err := runner.Start(cfg, runner.Orders(func(ctx context.Context, o runner.Order) error {
		body, err := json.Marshal(o)
		check(err)
		req, err := http.NewRequestWithContext(ctx, "POST", os.Args[2], bytes.NewReader(body))
		check(err)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	}), runner.Options{Registry: bundle.NewRegistry(os.Args[3]), Follow: time.Second, State: os.Args[4], Log: slog.Default()})
	check(err)
	http.HandleFunc("POST /events", func(w http.ResponseWriter, req *http.Request) {
		var ev scheduler.Event
		err := json.NewDecoder(req.Body).Decode(&ev)
		if err == nil {
			err = r.Submit(req.Context(), ev)
		}
		if errors.Is(err, scheduler.ErrImpossible) { // such as what is told twice
			http.Error(w, err.Error(), http.StatusConflict)
		} else if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
	go func() { check(http.ListenAndServe(os.Args[1], nil)) }()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	<-ctx.Done()
	stop()
	check(r.Stop())
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
