package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"enshu/cmd/enshu/page"
	"enshu/content"
	"enshu/sim/lang"
	"enshu/sim/scenario"
)

func (a *app) listCommand() *cobra.Command {
	var format string
	c := &cobra.Command{
		Use: "list", Short: a.text("ラボの一覧を表示する", "List the labs"), Args: a.args(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			entries, err := catalogue()
			if err != nil {
				return err
			}
			drawn := map[string]*scenario.Lab{}
			for _, e := range entries {
				if drawn[e.id], err = e.draw(1); err != nil {
					return err
				}
			}
			objectives, err := content.Objectives()
			if err != nil {
				return err
			}
			if format == "json" {
				return listJSON(cmd.OutOrStdout(), objectives, drawn)
			}
			return a.listText(cmd.OutOrStdout(), objectives, drawn)
		},
	}
	a.formatFlag(c, &format, "json")
	return c
}

// listText writes the labs below the objective that they are learnt with; a lab
// that serves another one too is only named there.
func (a *app) listText(w io.Writer, objectives []content.Objective, drawn map[string]*scenario.Lab) error {
	longest := 0
	for id := range drawn {
		longest = max(longest, len(id))
	}
	listed := map[string]bool{}
	for i, o := range objectives {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s %s\n", o.ID, o.Title.In(a.lang))
		var again []string
		for _, id := range o.Labs {
			if listed[id] {
				again = append(again, id)
				continue
			}
			listed[id] = true
			l := drawn[id]
			fmt.Fprintf(w, "  %-*s  %-5s %2d%s  %s\n", longest, id, strings.Repeat("★", max(l.Difficulty, 1)),
				int(time.Duration(l.Time).Minutes()), a.text(" 分", " min"), l.Title.In(a.lang))
		}
		if len(again) > 0 {
			fmt.Fprintf(w, "  %s%s\n", a.text("上のラボのうち: ", "of the labs above: "), strings.Join(again, ", "))
		}
	}
	_, err := fmt.Fprint(w, a.text("\n読み物は `enshu learn 1.09.1`、ラボは `enshu run LAB` で始めます。\n",
		"\n`enshu learn 1.09.1` is the lesson, `enshu run LAB` starts a lab.\n"))
	return err
}

// listJSON writes the labs in the order in which they are learnt.
func listJSON(w io.Writer, objectives []content.Objective, drawn map[string]*scenario.Lab) error {
	type row struct {
		ID         string   `json:"id"`
		TitleJA    string   `json:"title_ja"`
		TitleEN    string   `json:"title_en"`
		Objectives []string `json:"objectives"`
		Difficulty int      `json:"difficulty"`
		Minutes    int      `json:"minutes"`
	}
	rows, listed := []row{}, map[string]bool{}
	for _, o := range objectives {
		for _, id := range o.Labs {
			if l := drawn[id]; !listed[id] {
				listed[id] = true
				rows = append(rows, row{l.ID, l.Title.JA, l.Title.EN, l.Objectives, l.Difficulty, int(time.Duration(l.Time).Minutes())})
			}
		}
	}
	return json.NewEncoder(w).Encode(rows)
}

func (a *app) learnCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "learn [TOPIC]", Short: a.text("主題の読み物や、コマンド・ファイルの説明を読む", "Read the lesson of an objective, or help on a command or file"), Args: a.args(0, 1),
		Long: a.text("主題の読み物や、コマンド・ファイルの説明を読みます。TOPIC を省略すると一覧を表示します。",
			"Read a lesson, or help on a command or file. Without a topic, the topics are listed."),
		Example: "  enshu learn\n  enshu learn 1.09.2\n  enshu learn rsyslog.conf",
		RunE: func(cmd *cobra.Command, args []string) error {
			objectives, err := content.Objectives()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				for _, o := range objectives {
					fmt.Fprintf(cmd.OutOrStdout(), "%s %s\n  %s\n", o.ID, o.Title.In(a.lang), strings.Join(o.Help, ", "))
				}
				return nil
			}
			text, err := topic(objectives, args[0], a.lang)
			if err != nil {
				return err
			}
			return a.read(cmd.OutOrStdout(), string(text))
		},
	}
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		objectives, _ := content.Objectives()
		return topics(objectives), cobra.ShellCompDirectiveNoFileComp
	}
	return c
}

// topics are what there is to read: each lesson and the help that belongs to it.
func topics(objectives []content.Objective) []string {
	var names []string
	for _, o := range objectives {
		names = append(names, o.ID)
		for _, h := range o.Help {
			if !slices.Contains(names, h) {
				names = append(names, h)
			}
		}
	}
	return names
}

func topic(objectives []content.Objective, name, language string) ([]byte, error) {
	for _, o := range objectives {
		switch {
		case o.ID == name:
			return content.Lesson(name, language)
		case slices.Contains(o.Help, name):
			return content.Help(name, language)
		}
	}
	return nil, lang.Errorf("%q の読み物はありません%s (一覧は `enshu learn`)", "there is nothing to read on %q%s (`enshu learn` lists the topics)",
		name, meant(name, topics(objectives)))
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show [LAB]", Short: a.text("ラボの課題を表示する", "Show what a lab asks for"), Args: a.args(0, 1), ValidArgsFunction: a.completeLab,
		Long: a.text("ラボの課題を表示します。LAB を省略すると、実行中のラボのものです。ラボによっては、値が毎回変わります。",
			"Show what a lab asks for: the running one if LAB is left out. In some labs values are others each time."),
		Example: "  enshu show\n  enshu show tcp-forwarding",
		RunE: func(cmd *cobra.Command, args []string) error {
			l, err := a.labOf(cmd.Context(), args)
			if err != nil {
				return err
			}
			return a.read(cmd.OutOrStdout(), page.Lab(l, a.lang))
		},
	}
}

// labOf is the lab that a word means, drawn as any attempt might see it, or
// without one the running lab as its learner sees it.
func (a *app) labOf(ctx context.Context, args []string) (*scenario.Lab, error) {
	if len(args) > 0 {
		e, err := find(args[0])
		if err != nil {
			return nil, err
		}
		return e.draw(1)
	}
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	defer c.Close()
	launch, err := c.Launch(ctx)
	if err != nil {
		return nil, err
	}
	return launch.Draw()
}

// read writes a Markdown text: as it is to a file or a pipe, to a terminal as a
// person reads it.
func (a *app) read(w io.Writer, markdown string) error {
	if c := columns(os.Stdout); c > 0 {
		return page.Write(w, markdown, page.Style{Columns: c, Color: colored()})
	}
	_, err := io.WriteString(w, markdown)
	return err
}
