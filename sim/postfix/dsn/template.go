package dsn

import (
	"fmt"
	"strings"
)

// A Template is the part of a report that is for people (bounce(5)).
type Template struct {
	Name       string // failure, delay, success or verify
	Charset    string
	From       string
	Subject    string
	Postmaster string // the subject of the postmaster's copy, "" for none
	Text       string // lines, with $name forms
}

// Names of templates.
const (
	FailureTemplate = "failure"
	DelayTemplate   = "delay"
	SuccessTemplate = "success"
	VerifyTemplate  = "verify"
)

const (
	mailSystem = "                   The mail system\n"
	greeting   = "This is the mail system at host $myhostname.\n\n"
	assistance = "For further assistance, please send mail to postmaster.\n\n" +
		"If you do so, please include this problem report. You can\ndelete your own text from the attached returned message.\n\n" + mailSystem
)

// Templates returns the built-in templates (postconf -t).
func Templates() []Template {
	const charset, from = "us-ascii", "MAILER-DAEMON (Mail Delivery System)"
	return []Template{
		{FailureTemplate, charset, from, "Undelivered Mail Returned to Sender", "Postmaster Copy: Undelivered Mail", greeting +
			"I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients. It's attached below.\n\n" + assistance},
		{DelayTemplate, charset, from, "Delayed Mail (still being retried)", "Postmaster Warning: Delayed Mail", greeting +
			"####################################################################\n" +
			"# THIS IS A WARNING ONLY.  YOU DO NOT NEED TO RESEND YOUR MESSAGE. #\n" +
			"####################################################################\n\n" +
			"Your message could not be delivered for more than $delay_warning_time_hours hour(s).\n" +
			"It will be retried until it is $maximal_queue_lifetime_days day(s) old.\n\n" + assistance},
		{SuccessTemplate, charset, from, "Successful Mail Delivery Report", "", greeting +
			"Your message was successfully delivered to the destination(s)\nlisted below. If the message was delivered to mailbox you will\n" +
			"receive no further notifications. Otherwise you may still receive\nnotifications of mail delivery errors from other systems.\n\n" + mailSystem},
		{VerifyTemplate, charset, from, "Mail Delivery Status Report", "", greeting +
			"Enclosed is the mail delivery report that you requested.\n\n" + mailSystem},
	}
}

// ParseTemplates reads a file of templates, which replace the built-in ones of
// their names (bounce_template_file). problems are warnings.
func ParseTemplates(file string, data []byte) (list []Template, problems []string) {
	list = Templates()
	var name, end string
	var body []string
	for i, line := range strings.Split(strings.TrimSuffix(string(data), "\n"), "\n") {
		switch {
		case end != "" && strings.TrimRight(line, " \t") == end:
			if why := replaceTemplate(list, name, body); why != "" {
				problems = append(problems, fmt.Sprintf("%s, line %d: %s", file, i+1, why))
			}
			name, end, body = "", "", nil
		case end != "":
			body = append(body, line)
		case strings.TrimSpace(line) == "" || line[0] == '#':
		default:
			name, end, _ = strings.Cut(line, "=") // without one, there is no "<<" either
			name, end = strings.TrimSpace(name), strings.TrimSpace(end)
			var ok bool
			if end, ok = strings.CutPrefix(end, "<<"); !ok || strings.TrimSpace(end) == "" {
				problems = append(problems, fmt.Sprintf("%s, line %d: missing '<<' after template name: \"%s\"", file, i+1, line))
				end = ""
			}
			end = strings.TrimSpace(end)
		}
	}
	if end != "" {
		problems = append(problems, fmt.Sprintf("%s: missing %s at the end of template %s", file, end, name))
	}
	return list, problems
}

// replaceTemplate puts the text of a file in the place of a built-in template.
func replaceTemplate(list []Template, name string, body []string) (problem string) {
	for i := range list {
		t := &list[i]
		if t.Name+"_template" != name {
			continue
		}
		for len(body) > 0 {
			label, value, ok := strings.Cut(body[0], ":")
			if !ok {
				break
			}
			value = strings.TrimSpace(value)
			switch strings.ToLower(label) {
			case "charset":
				t.Charset = value
			case "from":
				t.From = value
			case "subject":
				t.Subject = value
			case "postmaster-subject":
				t.Postmaster = value
			default:
				return fmt.Sprintf("unknown header \"%s\" in template %s", label, name)
			}
			body = body[1:]
		}
		if len(body) > 0 && body[0] == "" {
			body = body[1:]
		}
		t.Text = strings.Join(body, "\n") + "\n"
		return ""
	}
	return fmt.Sprintf("unknown template name: \"%s\"", name)
}

// Format writes a template as postconf -t does.
func (t Template) Format() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s_template = <<EOF\nCharset: %s\nFrom: %s\nSubject: %s\n", t.Name, t.Charset, t.From, t.Subject)
	if t.Postmaster != "" {
		fmt.Fprintf(&b, "Postmaster-Subject: %s\n", t.Postmaster)
	}
	return b.String() + "\n" + t.Text + "EOF\n"
}
