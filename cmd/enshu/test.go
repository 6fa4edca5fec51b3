package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/session"
	"enshu/grader/junit"
	"enshu/grader/report"
	"enshu/sim/lang"
)

func (a *app) testCommand() *cobra.Command {
	var all, verbose bool
	var format string
	var parallel int
	c := &cobra.Command{
		Use: "test LAB…", Short: a.text("ラボを試験する: 手つかずと誤りは書かれたとおり不合格、解答例は合格になること", "Test labs: untouched and mistaken they fail as stated, solved they pass"),
		Long: a.text("それぞれのやり方ごとにラボを新しく始めます。手つかずなら不合格、解答例なら合格、誤りならファイルに書かれた\n"+
			"ところで不合格にならなければなりません。最初の解答例は二度試し、結果が同じことを確かめます。\n"+
			"終了ステータスは、すべてそのとおりなら 0、違えば 1、試験できないラボがあれば 2 です。",
			"Start each lab afresh for every way of working on it: untouched it must fail, each solution must pass,\n"+
				"each mistake must fail at the link that the lab file names. The first solution is played twice, with the\n"+
				"same outcome. The exit status is 0 when all is so, 1 when not, 2 when a lab could not be tested."),
		Example:           "  enshu test tcp-forwarding\n  enshu test --all --format junit >labs.xml",
		ValidArgsFunction: a.completeLab,
		RunE: func(cmd *cobra.Command, args []string) error {
			var entries []entry
			var err error
			switch {
			case all && len(args) > 0:
				return lang.Errorf("ラボの名前か --all の、どちらか一方を指定してください", "name labs, or --all, not both")
			case all:
				if entries, err = catalogue(); err != nil {
					return err
				}
			case len(args) == 0:
				return lang.Errorf("ラボの名前か --all を指定してください", "name a lab, or --all")
			}
			for _, word := range args {
				e, err := find(word)
				if err != nil {
					return err
				}
				entries = append(entries, e)
			}
			if parallel < 1 {
				return lang.Errorf("--parallel %d: 1 以上にしてください", "--parallel %d: at least 1", parallel)
			}
			plays, err := playsOf(entries)
			if err != nil {
				return err
			}
			show := func(*play) {}
			if format == "text" {
				show = func(p *play) { a.showPlay(cmd.OutOrStdout(), p, verbose) }
			}
			began := time.Now()
			if err := runPlays(cmd.Context(), plays, parallel, show); err != nil {
				return err
			}
			failed := 0
			for _, p := range plays {
				if p.result.Err != nil {
					failed++
				}
			}
			if failed > 0 {
				a.status = 1
			}
			switch format {
			case "json":
				return writePlaysJSON(cmd.OutOrStdout(), plays)
			case "junit":
				return writePlaysJUnit(cmd.OutOrStdout(), plays)
			}
			a.summary(cmd.OutOrStdout(), plays, len(entries), time.Since(began))
			fmt.Fprintf(cmd.OutOrStdout(), a.text("合格 %d, 不合格 %d\n", "%d passed, %d failed\n"), len(plays)-failed, failed)
			return nil
		},
	}
	a.formatFlag(c, &format, "json", "junit")
	c.Flags().BoolVar(&all, "all", false, a.text("一覧にあるすべてのラボ", "every lab of the catalogue"))
	c.Flags().BoolVarP(&verbose, "verbose", "v", false, a.text("すべての採点結果を表示する", "show every report"))
	c.Flags().IntVarP(&parallel, "parallel", "p", runtime.NumCPU(), a.text("同時に実行するラボの数", "how many labs run at a time"))
	return c
}

// play is one way of working on one lab, and how it went.
type play struct {
	lab string
	session.Play
	result session.TestResult
}

func playsOf(entries []entry) ([]*play, error) {
	var all []*play
	for _, e := range entries {
		plays, err := session.Plays(session.Launch{File: e.file, Source: e.data, Seed: 1})
		if err != nil {
			return nil, err
		}
		for _, p := range plays {
			all = append(all, &play{lab: e.id, Play: p})
		}
	}
	return all, nil
}

// runPlays runs plays, so many at a time, and shows each when it has ended. It
// ends early with ctx.
func runPlays(ctx context.Context, plays []*play, parallel int, show func(*play)) error {
	slots := make(chan struct{}, parallel)
	var showing sync.Mutex
	var wg sync.WaitGroup
	for i, p := range plays {
		slots <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		wg.Go(func() {
			p.result = p.Run(ctx, fmt.Sprintf("test-%d-%d", os.Getpid(), i))
			<-slots
			showing.Lock()
			defer showing.Unlock()
			show(p)
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

func (a *app) showPlay(w io.Writer, p *play, verbose bool) {
	mark := "ok  "
	if p.result.Err != nil {
		mark = "FAIL"
	}
	fmt.Fprintf(w, "%s %s: %s (%d ms)\n", mark, p.lab, p.Name, p.result.Took.Milliseconds())
	if p.result.Err != nil {
		fmt.Fprintf(w, "     %v\n", p.result.Err)
	}
	if p.result.Report != nil && (verbose || p.result.Err != nil) {
		report.WriteText(w, p.result.Report, report.Style{Lang: a.lang, Color: colored(), Columns: columns(os.Stdout), Verbose: true})
	}
}

// summary names what failed once more, at the end of a long output.
func (a *app) summary(w io.Writer, plays []*play, labs int, took time.Duration) {
	for _, p := range plays {
		if p.result.Err != nil {
			fmt.Fprintf(w, "FAIL %s: %s\n", p.lab, p.Name)
		}
	}
	fmt.Fprintf(w, a.text("%d 個のラボ, %.0f 秒\n", "%d labs, %.0f s\n"), labs, took.Seconds())
}

func writePlaysJSON(w io.Writer, plays []*play) error {
	type row struct {
		Lab     string         `json:"lab"`
		Play    string         `json:"play"`
		Passed  bool           `json:"passed"`
		Seconds float64        `json:"seconds"`
		Error   string         `json:"error,omitempty"`
		Report  *report.Report `json:"report,omitempty"`
	}
	rows := []row{}
	for _, p := range plays {
		r := row{p.lab, p.Name, p.result.Err == nil, p.result.Took.Seconds(), "", nil}
		if p.result.Err != nil {
			r.Error, r.Report = p.result.Err.Error(), p.result.Report
		}
		rows = append(rows, r)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(rows)
}

// writePlaysJUnit writes a suite for each lab, a case for each play.
func writePlaysJUnit(w io.Writer, plays []*play) error {
	var suites []junit.Suite
	for _, p := range plays {
		if n := len(suites); n == 0 || suites[n-1].Name != p.lab {
			suites = append(suites, junit.Suite{Name: p.lab})
		}
		s := &suites[len(suites)-1]
		c := junit.Case{Class: p.lab, Name: p.Name, Seconds: fmt.Sprintf("%.3f", p.result.Took.Seconds())}
		if p.result.Err != nil {
			c.Failure = &junit.Message{Text: p.result.Err.Error()}
		}
		s.Cases = append(s.Cases, c)
	}
	return junit.Write(w, suites)
}
