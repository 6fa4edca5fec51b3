package main

import (
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
	return nil, lang.Errorf("%q の読み物はありません%v (一覧は `enshu learn`)", "there is nothing to read on %q%v (`enshu learn` lists the topics)",
		name, meant(name, topics(objectives)))
}

func (a *app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use: "show LAB", Short: a.text("ラボの課題を表示する", "Show what a lab asks for"), Args: a.args(1, 1), ValidArgsFunction: a.completeLab,
		Example: "  enshu show tcp-forwarding",
		RunE: func(cmd *cobra.Command, args []string) error {
			e, err := find(args[0])
			if err != nil {
				return err
			}
			l, err := e.draw(1)
			if err != nil {
				return err
			}
			return a.read(cmd.OutOrStdout(), a.describe(l))
		},
	}
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

// describe is a lab as its learner reads it, in Markdown.
func (a *app) describe(l *scenario.Lab) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", l.Title.In(a.lang))
	if t := strings.TrimSpace(l.Text.In(a.lang)); t != "" {
		fmt.Fprintf(&b, "%s\n\n", t)
	}
	b.WriteString(a.text("| ホスト | アドレス |\n", "| host | address |\n") + "|---|---|\n")
	for i := range l.Hosts {
		h := &l.Hosts[i]
		var addrs []string
		for _, n := range h.Networks {
			addrs = append(addrs, n.Address.String())
		}
		fmt.Fprintf(&b, "| %s | %s |\n", h.Name, strings.Join(addrs, ", "))
	}
	for i := range l.Tasks {
		t := &l.Tasks[i]
		fmt.Fprintf(&b, "\n## %d. %s (%s, %d%s)\n", i+1, t.Title.In(a.lang), t.ID, t.Points, a.text(" 点", " points"))
		if text := strings.TrimSpace(t.Text.In(a.lang)); text != "" {
			fmt.Fprintf(&b, "\n%s\n", text)
		}
	}
	if objectives, err := content.Objectives(); err == nil {
		var lessons []string
		for _, o := range objectives {
			if slices.Contains(l.Objectives, o.ID) {
				lessons = append(lessons, "enshu learn "+o.ID)
			}
		}
		if len(lessons) > 0 {
			fmt.Fprintf(&b, "\n%s: %s\n", a.text("読み物", "To read"), strings.Join(lessons, " · "))
		}
	}
	return b.String()
}
