// Reads bodies as a model server that is written in Go does: into structs, by encoding/json, which matches the names of
// members without regard to case and takes the last of several. A line of the input is a shape and a body in base64;
// a line of the output is what was read of it, or null for what is no JSON object.
package main

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"os"
	"strconv"
	"strings"
)

type raw = json.RawMessage

type function struct {
	Name        raw `json:"name"`
	Description raw `json:"description"`
	Arguments   raw `json:"arguments"`
	Strict      raw `json:"strict"`
}

type image struct {
	URL    raw `json:"url"`
	Detail raw `json:"detail"`
}

type audio struct {
	Data   raw `json:"data"`
	Format raw `json:"format"`
	Voice  raw `json:"voice"`
}

type file struct {
	FileID   raw `json:"file_id"`
	FileData raw `json:"file_data"`
	Filename raw `json:"filename"`
}

type source struct {
	Type      raw `json:"type"`
	MediaType raw `json:"media_type"`
	Data      raw `json:"data"`
	URL       raw `json:"url"`
}

type cache struct {
	Type raw `json:"type"`
	TTL  raw `json:"ttl"`
}

type part struct {
	Type         raw `json:"type"`
	Text         raw `json:"text"`
	Refusal      raw `json:"refusal"`
	ImageURL     raw `json:"image_url"`
	InputAudio   raw `json:"input_audio"`
	File         raw `json:"file"`
	Source       raw `json:"source"`
	ID           raw `json:"id"`
	Name         raw `json:"name"`
	ToolUseID    raw `json:"tool_use_id"`
	Content      raw `json:"content"`
	IsError      raw `json:"is_error"`
	CacheControl raw `json:"cache_control"`
}

type call struct {
	ID       raw `json:"id"`
	Type     raw `json:"type"`
	Function raw `json:"function"`
}

type message struct {
	Role             raw `json:"role"`
	Content          raw `json:"content"`
	Name             raw `json:"name"`
	Thinking         raw `json:"thinking"`
	ReasoningContent raw `json:"reasoning_content"`
	ToolCalls        raw `json:"tool_calls"`
	ToolCallID       raw `json:"tool_call_id"`
	ToolName         raw `json:"tool_name"`
	FunctionCall     raw `json:"function_call"`
	Images           raw `json:"images"`
}

type tool struct {
	Type         raw `json:"type"`
	Function     raw `json:"function"`
	Custom       raw `json:"custom"`
	Name         raw `json:"name"`
	Description  raw `json:"description"`
	CacheControl raw `json:"cache_control"`
}

type choice struct {
	Type         raw `json:"type"`
	Name         raw `json:"name"`
	Function     raw `json:"function"`
	Custom       raw `json:"custom"`
	AllowedTools raw `json:"allowed_tools"`
}

type allowed struct {
	Mode  raw `json:"mode"`
	Tools raw `json:"tools"`
}

type format struct {
	Type       raw `json:"type"`
	JSONSchema raw `json:"json_schema"`
}

type jsonSchema struct {
	Name   raw `json:"name"`
	Strict raw `json:"strict"`
}

type streamOptions struct {
	IncludeUsage raw `json:"include_usage"`
}

type reasoning struct {
	Effort       raw `json:"effort"`
	Summary      raw `json:"summary"`
	Type         raw `json:"type"`
	BudgetTokens raw `json:"budget_tokens"`
}

type search struct {
	SearchContextSize raw `json:"search_context_size"`
}

type prediction struct {
	Type    raw `json:"type"`
	Content raw `json:"content"`
}

type options struct {
	NumCtx     raw `json:"num_ctx"`
	NumPredict raw `json:"num_predict"`
}

type request struct {
	Model               raw `json:"model"`
	Messages            raw `json:"messages"`
	Stream              raw `json:"stream"`
	MaxTokens           raw `json:"max_tokens"`
	MaxCompletionTokens raw `json:"max_completion_tokens"`
	N                   raw `json:"n"`
	Store               raw `json:"store"`
	User                raw `json:"user"`
	System              raw `json:"system"`
	ReasoningEffort     raw `json:"reasoning_effort"`
	Tools               raw `json:"tools"`
	Functions           raw `json:"functions"`
	ToolChoice          raw `json:"tool_choice"`
	FunctionCall        raw `json:"function_call"`
	ResponseFormat      raw `json:"response_format"`
	StreamOptions       raw `json:"stream_options"`
	Reasoning           raw `json:"reasoning"`
	Thinking            raw `json:"thinking"`
	WebSearchOptions    raw `json:"web_search_options"`
	Prediction          raw `json:"prediction"`
	Audio               raw `json:"audio"`
	Options             raw `json:"options"`
	KeepAlive           raw `json:"keep_alive"`
	Think               raw `json:"think"`
}

type reading = map[string]any

// A value that is not looked into.
func leaf(value raw) any {
	text := strings.TrimSpace(string(value))
	switch {
	case text == "" || text == "null":
		return nil
	case text == "true":
		return true
	case text == "false":
		return false
	case text[0] == '"':
		var read string
		if json.Unmarshal(value, &read) != nil {
			return "#text"
		}
		return "s:" + read
	case text[0] == '[':
		return "#array"
	case text[0] == '{':
		return "#object"
	}
	if number, err := strconv.ParseInt(text, 10, 64); err == nil {
		return number
	}
	return "#number"
}

// An object by its struct; anything else as it is.
func object[T any](value raw, read func(*T) reading) any {
	text := strings.TrimSpace(string(value))
	if !strings.HasPrefix(text, "{") {
		return leaf(value)
	}
	var into T
	if json.Unmarshal(value, &into) != nil {
		return "#broken"
	}
	return read(&into)
}

func list(value raw, each func(raw) any) any {
	if !strings.HasPrefix(strings.TrimSpace(string(value)), "[") {
		return leaf(value)
	}
	var items []raw
	if json.Unmarshal(value, &items) != nil {
		return "#broken"
	}
	read := []any{}
	for _, item := range items {
		read = append(read, each(item))
	}
	return read
}

func ofFunction(value raw) any {
	return object(value, func(it *function) reading {
		return reading{"name": leaf(it.Name), "description": leaf(it.Description),
			"arguments": leaf(it.Arguments), "strict": leaf(it.Strict)}
	})
}

func ofCache(value raw) any {
	return object(value, func(it *cache) reading {
		return reading{"type": leaf(it.Type), "ttl": leaf(it.TTL)}
	})
}

func ofAudio(value raw) any {
	return object(value, func(it *audio) reading {
		return reading{"data": leaf(it.Data), "format": leaf(it.Format), "voice": leaf(it.Voice)}
	})
}

func ofPart(value raw) any {
	return object(value, func(it *part) reading {
		return reading{
			"type": leaf(it.Type), "text": leaf(it.Text), "refusal": leaf(it.Refusal),
			"id": leaf(it.ID), "name": leaf(it.Name), "tool_use_id": leaf(it.ToolUseID),
			"is_error": leaf(it.IsError), "content": ofContent(it.Content),
			"cache_control": ofCache(it.CacheControl),
			"image_url": object(it.ImageURL, func(it *image) reading {
				return reading{"url": leaf(it.URL), "detail": leaf(it.Detail)}
			}),
			"input_audio": ofAudio(it.InputAudio),
			"file": object(it.File, func(it *file) reading {
				return reading{"file_id": leaf(it.FileID), "file_data": leaf(it.FileData),
					"filename": leaf(it.Filename)}
			}),
			"source": object(it.Source, func(it *source) reading {
				return reading{"type": leaf(it.Type), "media_type": leaf(it.MediaType),
					"data": leaf(it.Data), "url": leaf(it.URL)}
			}),
		}
	})
}

func ofContent(value raw) any {
	if strings.HasPrefix(strings.TrimSpace(string(value)), "[") {
		return list(value, ofPart)
	}
	return ofPart(value)
}

func ofMessage(value raw) any {
	return object(value, func(it *message) reading {
		return reading{
			"role": leaf(it.Role), "content": ofContent(it.Content), "name": leaf(it.Name),
			"thinking": leaf(it.Thinking), "reasoning_content": leaf(it.ReasoningContent),
			"tool_call_id": leaf(it.ToolCallID), "tool_name": leaf(it.ToolName),
			"images": list(it.Images, leaf), "function_call": ofFunction(it.FunctionCall),
			"tool_calls": list(it.ToolCalls, func(value raw) any {
				return object(value, func(it *call) reading {
					return reading{"id": leaf(it.ID), "type": leaf(it.Type),
						"function": ofFunction(it.Function)}
				})
			}),
		}
	})
}

func ofTool(value raw) any {
	return object(value, func(it *tool) reading {
		return reading{"type": leaf(it.Type), "function": ofFunction(it.Function),
			"custom": ofFunction(it.Custom), "name": leaf(it.Name),
			"description": leaf(it.Description), "cache_control": ofCache(it.CacheControl)}
	})
}

func bound(value raw) any {
	read := leaf(value)
	if number, ok := read.(int64); ok && number <= 0 {
		return nil
	}
	return read
}

func ofRequest(shape string, it *request) reading {
	stream := leaf(it.Stream)
	if stream == nil {
		stream = shape == "native"
	}
	most := bound(it.MaxTokens)
	if shape == "completions" {
		if own := bound(it.MaxCompletionTokens); own != nil {
			most = own
		}
	}
	if shape == "native" {
		most = nil
		if read, ok := object(it.Options, func(it *options) reading {
			return reading{"bound": bound(it.NumPredict)}
		}).(reading); ok {
			most = read["bound"]
		}
	}
	return reading{
		"model": leaf(it.Model), "stream": stream, "bound": most, "n": leaf(it.N),
		"store": leaf(it.Store), "user": leaf(it.User), "system": ofContent(it.System),
		"reasoning_effort": leaf(it.ReasoningEffort), "keep_alive": leaf(it.KeepAlive),
		"think": leaf(it.Think), "messages": list(it.Messages, ofMessage),
		"tools": list(it.Tools, ofTool), "functions": list(it.Functions, ofFunction),
		"function_call": ofFunction(it.FunctionCall),
		"tool_choice": object(it.ToolChoice, func(it *choice) reading {
			return reading{"type": leaf(it.Type), "name": leaf(it.Name),
				"function": ofFunction(it.Function), "custom": ofFunction(it.Custom),
				"allowed_tools": object(it.AllowedTools, func(it *allowed) reading {
					return reading{"mode": leaf(it.Mode), "tools": list(it.Tools, ofTool)}
				})}
		}),
		"response_format": object(it.ResponseFormat, func(it *format) reading {
			return reading{"type": leaf(it.Type),
				"json_schema": object(it.JSONSchema, func(it *jsonSchema) reading {
					return reading{"name": leaf(it.Name), "strict": leaf(it.Strict)}
				})}
		}),
		"stream_options": object(it.StreamOptions, func(it *streamOptions) reading {
			return reading{"include_usage": leaf(it.IncludeUsage)}
		}),
		"reasoning": ofReasoning(it.Reasoning), "thinking": ofReasoning(it.Thinking),
		"web_search_options": object(it.WebSearchOptions, func(it *search) reading {
			return reading{"search_context_size": leaf(it.SearchContextSize)}
		}),
		"prediction": object(it.Prediction, func(it *prediction) reading {
			return reading{"type": leaf(it.Type), "content": ofContent(it.Content)}
		}),
		"audio": ofAudio(it.Audio),
		"options": object(it.Options, func(it *options) reading {
			return reading{"num_ctx": leaf(it.NumCtx)}
		}),
	}
}

func ofReasoning(value raw) any {
	return object(value, func(it *reasoning) reading {
		return reading{"effort": leaf(it.Effort), "summary": leaf(it.Summary),
			"type": leaf(it.Type), "budget_tokens": leaf(it.BudgetTokens)}
	})
}

func main() {
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(make([]byte, 1<<20), 1<<24)
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	write := json.NewEncoder(output)
	write.SetEscapeHTML(false)
	for input.Scan() {
		shape, encoded, _ := strings.Cut(input.Text(), " ")
		body, err := base64.StdEncoding.DecodeString(encoded)
		var read any
		var into request
		if err == nil && strings.HasPrefix(strings.TrimSpace(string(body)), "{") {
			if json.Unmarshal(body, &into) == nil {
				read = ofRequest(shape, &into)
			}
		}
		if write.Encode(read) != nil {
			os.Exit(1)
		}
	}
}
